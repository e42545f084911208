import { RuleViolation } from './rule-violation.js'
import type { DeviceBinding, Purpose, UserStatement } from './statements.js'
import { extendUserChain, type ChainDevice, type UserChain } from './user-chain.js'

/** A user's chain with its past: who had which device and which root when. All numbers are sequences. */
export interface UserHistory {
  /** The newest state. */
  chain: UserChain
  /** The hash of each statement. That of statement n is `hashes[n - 1]`. */
  hashes: readonly string[]
  /** Each root with the statement that began it, oldest first. */
  roots: readonly { since: number; root: string }[]
  /** Every device that the chain ever had, by its signing key. */
  devices: ReadonlyMap<string, DeviceHistory>
}

export interface DeviceHistory {
  id: string
  purpose: Purpose
  signingKey: string
  /** The root under which the device came in. */
  root: string
  added: number
  /** The statement that revoked the device or reset it away; null while it is active. */
  retired: number | null
  /** Oldest first. `-` stands for no KEM key. */
  keys: readonly { since: number; encryptionKey: string; kemKey: string; encryptionVersion: number }[]
}

/** A user as the chain was after one of its statements. */
export interface UserState {
  root: string
  /** The active devices. */
  devices: readonly ChainDevice[]
}

/**
 * Apply a statement to a chain. Parameters and errors are those of `extendUserChain`. No encryption key and no
 * KEM key comes back (`key-in-use`), which the server sees from the keys of all users.
 */
export function extendUserHistory(
  history: UserHistory | null,
  statement: UserStatement,
  hash: string,
  signers: ReadonlySet<string>
): UserHistory {
  const chain = extendUserChain(history?.chain ?? null, statement, hash, signers)
  const since = chain.sequence
  const roots = [...(history?.roots ?? [])]
  if (chain.root !== history?.chain.root) roots.push({ since, root: chain.root })
  const devices = new Map(history?.devices)
  for (const { id, signingKey } of history?.chain.devices.values() ?? [])
    if (!chain.devices.has(id)) devices.set(signingKey, { ...devices.get(signingKey)!, retired: since })
  if (statement.kind !== 'device-revoke') {
    if (history !== null) requireNewKeys(history, statement)
    const { device: id, purpose, signingKey, encryptionKey, kemKey, encryptionVersion } = statement
    const before = statement.kind === 'device-rekey' ? devices.get(signingKey) : undefined
    const keys = [...(before?.keys ?? []), { since, encryptionKey, kemKey, encryptionVersion }]
    devices.set(
      signingKey,
      before
        ? { ...before, keys }
        : { id, purpose, signingKey, root: chain.root, added: since, retired: null, keys }
    )
  }
  return { chain, hashes: [...(history?.hashes ?? []), hash], roots, devices }
}

function requireNewKeys({ devices }: UserHistory, { encryptionKey, kemKey }: DeviceBinding): void {
  for (const { keys } of devices.values())
    for (const known of keys)
      if (known.encryptionKey === encryptionKey || (kemKey !== '-' && known.kemKey === kemKey))
        throw new RuleViolation('key-in-use', 'The chain has or had a device with this key.')
}

/**
 * The user as the chain was after statement `sequence`.
 *
 * @returns undefined if the chain does not reach that far
 */
export function userState(history: UserHistory, sequence: number): UserState | undefined {
  if (sequence < 1 || sequence > history.hashes.length) return undefined
  return {
    root: history.roots.findLast(({ since }) => since <= sequence)!.root,
    // Many ask for the root only.
    get devices() {
      return activeDevices(history, sequence)
    }
  }
}

function activeDevices({ devices }: UserHistory, sequence: number): ChainDevice[] {
  return [...devices.values()]
    .filter((device) => isActive(device, sequence))
    .map(({ id, purpose, signingKey, keys }) => {
      const { encryptionKey, kemKey, encryptionVersion } = keys.findLast(({ since }) => since <= sequence)!
      return { id, purpose, signingKey, encryptionKey, kemKey, encryptionVersion }
    })
}

/** Whether the device was active after statement `sequence`. */
export function isActive({ added, retired }: DeviceHistory, sequence: number): boolean {
  return added <= sequence && (retired === null || retired > sequence)
}
