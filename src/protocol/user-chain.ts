import { RuleViolation } from './rule-violation.js'
import type { Purpose, UserStatement } from './statements.js'

/** The state that a user's chain defines (docs/protocol.md, "A user's chain"). Keys are fingerprints. */
export interface UserChain {
  user: string
  sequence: number
  /** Hash of the newest statement. */
  head: string
  /** Signing key fingerprint of the device that started the chain or last reset it. */
  root: string
  /** Active devices by id. */
  devices: ReadonlyMap<string, ChainDevice>
  /** Signing keys of devices that were revoked or reset away, by id. Neither is ever used again. */
  retired: ReadonlyMap<string, string>
}

/** Most active devices of a user. */
export const MAX_DEVICES = 16

export interface ChainDevice {
  id: string
  purpose: Purpose
  signingKey: string
  encryptionKey: string
  /** `-` for a device without a KEM key. */
  kemKey: string
  encryptionVersion: number
}

/**
 * The largest sequence that a statement of each kind may have. Revocations keep the last places, so that a
 * user can always revoke.
 */
export const LAST_SEQUENCE = {
  'device-rekey': 800,
  'device-add': 900,
  'device-reset': 980,
  'device-revoke': 1000
} as const

/**
 * Apply a statement to a chain.
 *
 * @param chain null for a chain's first statement
 * @param hash the statement's own hash
 * @param signers fingerprints of the keys whose signatures over the text were verified
 * @returns the chain's new state
 * @throws {RuleViolation} `stale-chain` if the statement does not extend the head; `invalid-signature`,
 *   `invalid-statement`, `forbidden`, `device-not-found`, `id-conflict`, `key-in-use`, `too-many-devices` or
 *   `too-many-statements` if it breaks another rule
 */
export function extendUserChain(
  chain: UserChain | null,
  statement: UserStatement,
  hash: string,
  signers: ReadonlySet<string>
): UserChain {
  if (chain === null) return startUserChain(statement, hash, signers)
  if (statement.user !== chain.user)
    throw new RuleViolation('invalid-statement', `The statement must name the user ${chain.user}.`)
  if (statement.sequence !== chain.sequence + 1 || statement.previous !== chain.head)
    throw new RuleViolation('stale-chain')
  requirePlace(statement)

  const devices = new Map(chain.devices)
  const retired = new Map(chain.retired)
  let { root } = chain
  switch (statement.kind) {
    case 'device-add':
      requireNewDevice(chain, statement)
      requireApproval(chain, statement, signers)
      if (devices.size >= MAX_DEVICES) throw new RuleViolation('too-many-devices')
      devices.set(statement.device, chainDevice(statement))
      break
    case 'device-reset':
      requireNewDevice(chain, statement)
      requireOnlySigner(signers, statement.signingKey, 'the new device')
      requireChat(statement)
      for (const { id, signingKey } of devices.values()) retired.set(id, signingKey)
      devices.clear()
      devices.set(statement.device, chainDevice(statement))
      root = statement.signingKey
      break
    case 'device-rekey': {
      const device = devices.get(statement.device)
      if (device === undefined) throw new RuleViolation('device-not-found')
      if (statement.signingKey !== device.signingKey)
        throw new RuleViolation(
          'forbidden',
          'A device cannot replace its signing key, only its encryption key.'
        )
      if (statement.purpose !== device.purpose)
        throw new RuleViolation('forbidden', 'A device keeps its `purpose`.')
      if (statement.encryptionKey === device.encryptionKey)
        throw new RuleViolation('forbidden', 'The new encryption key must differ from the previous one.')
      if (device.kemKey !== '-' && (statement.kemKey === '-' || statement.kemKey === device.kemKey))
        throw new RuleViolation('forbidden', 'The statement must bring a new KEM key, too.')
      if (statement.encryptionVersion !== device.encryptionVersion + 1)
        throw new RuleViolation(
          'forbidden',
          `\`encryption-version\` must be ${device.encryptionVersion + 1}.`
        )
      requireOnlySigner(signers, device.signingKey, 'the device itself')
      devices.set(device.id, chainDevice(statement))
      break
    }
    case 'device-revoke': {
      const device = devices.get(statement.device)
      if (device === undefined) throw new RuleViolation('device-not-found')
      requireActiveSigners(chain, [...signers])
      devices.delete(device.id)
      retired.set(device.id, device.signingKey)
      break
    }
  }
  return { user: chain.user, sequence: statement.sequence, head: hash, root, devices, retired }
}

function startUserChain(statement: UserStatement, hash: string, signers: ReadonlySet<string>): UserChain {
  if (statement.kind !== 'device-add' || statement.sequence !== 1 || statement.previous !== '-')
    throw new RuleViolation(
      'invalid-statement',
      'A chain starts with a `device-add` with `sequence 1` and `previous -`.'
    )
  requireFirstVersion(statement.encryptionVersion)
  requireChat(statement)
  requireOnlySigner(signers, statement.signingKey, 'the new device')
  return {
    user: statement.user,
    sequence: 1,
    head: hash,
    root: statement.signingKey,
    devices: new Map([[statement.device, chainDevice(statement)]]),
    retired: new Map()
  }
}

type Binding = Exclude<UserStatement, { kind: 'device-revoke' }>

function chainDevice(statement: Binding): ChainDevice {
  const { device: id, purpose, signingKey, encryptionKey, kemKey, encryptionVersion } = statement
  return { id, purpose, signingKey, encryptionKey, kemKey, encryptionVersion }
}

function requireNewDevice(chain: UserChain, statement: Binding): void {
  if (chain.devices.has(statement.device) || chain.retired.has(statement.device))
    throw new RuleViolation('id-conflict', 'The chain has or had a device with this id. Choose a new id.')
  const known = [
    ...chain.retired.values(),
    ...[...chain.devices.values()].map(({ signingKey }) => signingKey)
  ]
  if (known.includes(statement.signingKey))
    throw new RuleViolation('key-in-use', 'The chain has or had a device with this signing key.')
  requireFirstVersion(statement.encryptionVersion)
}

function requirePlace({ kind, sequence }: UserStatement): void {
  if (sequence > LAST_SEQUENCE[kind])
    throw new RuleViolation(
      'too-many-statements',
      `A chain takes a \`${kind}\` up to number ${LAST_SEQUENCE[kind]} only. This does not lift.`
    )
}

/** A chain starts, and starts again after a reset, with a device that talks. */
function requireChat({ purpose }: Binding): void {
  if (purpose !== 'chat')
    throw new RuleViolation('invalid-statement', 'The `purpose` of this device must be `chat`.')
}

function requireFirstVersion(version: number): void {
  if (version !== 1)
    throw new RuleViolation('invalid-statement', 'The `encryption-version` of a new device must be 1.')
}

function requireOnlySigner(signers: ReadonlySet<string>, fingerprint: string, who: string): void {
  if (signers.size !== 1 || !signers.has(fingerprint))
    throw new RuleViolation(
      'invalid-signature',
      `The statement must be signed by ${who} (${fingerprint}), and by nobody else.`
    )
}

/** The new device signs, and an active one approves it. */
function requireApproval(chain: UserChain, { signingKey }: Binding, signers: ReadonlySet<string>): void {
  if (!signers.has(signingKey))
    throw new RuleViolation('invalid-signature', `The new device (${signingKey}) must sign the statement.`)
  requireActiveSigners(
    chain,
    [...signers].filter((signer) => signer !== signingKey)
  )
}

function requireActiveSigners(chain: UserChain, signers: readonly string[]): void {
  const active = new Set([...chain.devices.values()].map(({ signingKey }) => signingKey))
  if (signers.length === 0 || !signers.every((signer) => active.has(signer)))
    throw new RuleViolation(
      'invalid-signature',
      'The statement must be signed by an active device of the user, and by no other.'
    )
}
