import { RuleViolation } from './rule-violation.js'
import type { UserStatement } from './statements.js'

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
  /** Ids of devices that were revoked or removed by a reset. They are never used again. */
  retired: ReadonlySet<string>
}

export interface ChainDevice {
  id: string
  signingKey: string
  encryptionKey: string
  encryptionVersion: number
}

/**
 * Apply a statement to a chain.
 *
 * @param chain null for a chain's first statement
 * @param hash the statement's own hash
 * @param signers fingerprints of the keys whose signatures over the text were verified
 * @returns the chain's new state
 * @throws {RuleViolation} `stale-chain` if the statement does not extend the head; `invalid-signature`,
 *   `invalid-statement`, `forbidden`, `device-not-found` or `id-conflict` if it breaks another rule
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

  const devices = new Map(chain.devices)
  const retired = new Set(chain.retired)
  let { root } = chain
  switch (statement.kind) {
    case 'device-add':
      requireNewDevice(chain, statement, signers)
      requireActiveSigner(chain, signers)
      devices.set(statement.device, chainDevice(statement))
      break
    case 'device-reset':
      requireNewDevice(chain, statement, signers)
      requireOneSigner(signers)
      for (const id of devices.keys()) retired.add(id)
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
      if (statement.encryptionKey === device.encryptionKey)
        throw new RuleViolation('forbidden', 'The new encryption key must differ from the previous one.')
      if (statement.encryptionVersion !== device.encryptionVersion + 1)
        throw new RuleViolation(
          'forbidden',
          `\`encryption-version\` must be ${device.encryptionVersion + 1}.`
        )
      requireSigner(signers, device.signingKey, 'the device itself')
      requireOneSigner(signers)
      devices.set(device.id, chainDevice(statement))
      break
    }
    case 'device-revoke':
      if (!devices.delete(statement.device)) throw new RuleViolation('device-not-found')
      requireActiveSigner(chain, signers)
      retired.add(statement.device)
      break
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
  requireSigner(signers, statement.signingKey, 'the new device')
  return {
    user: statement.user,
    sequence: 1,
    head: hash,
    root: statement.signingKey,
    devices: new Map([[statement.device, chainDevice(statement)]]),
    retired: new Set()
  }
}

type Binding = Exclude<UserStatement, { kind: 'device-revoke' }>

function chainDevice(statement: Binding): ChainDevice {
  const { device: id, signingKey, encryptionKey, encryptionVersion } = statement
  return { id, signingKey, encryptionKey, encryptionVersion }
}

function requireNewDevice(chain: UserChain, statement: Binding, signers: ReadonlySet<string>): void {
  if (chain.devices.has(statement.device) || chain.retired.has(statement.device))
    throw new RuleViolation('id-conflict', 'The chain has or had a device with this id. Choose a new id.')
  requireFirstVersion(statement.encryptionVersion)
  requireSigner(signers, statement.signingKey, 'the new device')
}

function requireFirstVersion(version: number): void {
  if (version !== 1)
    throw new RuleViolation('invalid-statement', 'The `encryption-version` of a new device must be 1.')
}

function requireSigner(signers: ReadonlySet<string>, fingerprint: string, who: string): void {
  if (!signers.has(fingerprint))
    throw new RuleViolation('invalid-signature', `The statement must be signed by ${who} (${fingerprint}).`)
}

function requireOneSigner(signers: ReadonlySet<string>): void {
  if (signers.size > 1)
    throw new RuleViolation('invalid-signature', 'Only one device may sign this statement.')
}

function requireActiveSigner(chain: UserChain, signers: ReadonlySet<string>): void {
  for (const device of chain.devices.values()) if (signers.has(device.signingKey)) return
  throw new RuleViolation(
    'invalid-signature',
    'The statement must be signed by an active device of the user.'
  )
}
