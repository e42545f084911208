import type { UserStatement } from '../../protocol/statements.js'
import type { ChainDevice, UserChain } from '../../protocol/user-chain.js'
import { untrusted } from '../errors.js'

/** A device's keys at some time, and the user's root then. */
export type Binding = { root: string; device: string; signingKey: string; encryptionKey: string }

/** A user's verified chain as it is stored. */
export type StoredUser = {
  username: string
  userId: string
  sequence: number
  head: string
  root: string
  devices: { [Name in keyof ChainDevice]: ChainDevice[Name] }[]
  retired: string[]
  /** The hash of every statement of the chain, in order. */
  hashes: string[]
  /** Every pair of keys that a device of the user ever had. */
  bindings: Binding[]
  /**
   * Public keys in PEM by fingerprint: signing keys of all devices ever, encryption keys of the active ones.
   */
  keys: Record<string, string>
}

export function fromStored({ username, sequence, head, root, devices, retired }: StoredUser): UserChain {
  return {
    user: username,
    sequence,
    head,
    root,
    devices: new Map(devices.map((device) => [device.id, device])),
    retired: new Set(retired)
  }
}

export function toStored(
  userId: string,
  chain: UserChain,
  { hashes, bindings }: Pick<StoredUser, 'hashes' | 'bindings'>,
  served: ReadonlyMap<string, string>
): StoredUser {
  const devices = [...chain.devices.values()]
  const needed = new Set([
    ...bindings.map(({ signingKey }) => signingKey),
    ...devices.map(({ encryptionKey }) => encryptionKey)
  ])
  return {
    username: chain.user,
    userId,
    sequence: chain.sequence,
    head: chain.head,
    root: chain.root,
    devices,
    retired: [...chain.retired],
    hashes,
    bindings,
    keys: Object.fromEntries([...served].filter(([print]) => needed.has(print)))
  }
}

/** The keys that a statement binds; none if it revokes. */
export function bindingsOf(statement: UserStatement, root: string): Binding[] {
  if (statement.kind === 'device-revoke') return []
  const { device, signingKey, encryptionKey } = statement
  return [{ root, device, signingKey, encryptionKey }]
}

/**
 * Every device that the server lists has to be in the chain. @throws {ChatError} `ghost-device` (`untrusted`)
 */
export function requireOwnDevices(
  { username, bindings }: StoredUser,
  shown: readonly { id: string }[]
): void {
  const ghost = shown.find(({ id }) => !bindings.some(({ device }) => device === id))
  if (ghost !== undefined)
    throw untrusted(
      'ghost-device',
      `The server lists a device of ${username} that is not in the chain: ${ghost.id}.`
    )
}

/** Whether the key belongs to a device that is active today. */
export function isActive(user: StoredUser, signingKey: string): boolean {
  return user.devices.some((device) => device.signingKey === signingKey)
}
