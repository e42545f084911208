import { eq } from 'drizzle-orm'
import type { UserStatements } from '../../../protocol/accounts.js'
import type { UserStatement } from '../../../protocol/statements.js'
import type { UserChain } from '../../../protocol/user-chain.js'
import { boundBy, keyColumns, readEncryptionKeys, requireKeyLines } from '../../chains/device-keys.js'
import { bindKeys, dropPending, insertDeviceRows, type DeviceRow } from '../../chains/device-store.js'
import { readSigningKey } from '../../chains/public-keys.js'
import type { StoredUser, UserLink } from '../../chains/user-chain-store.js'
import type { Config } from '../../config.js'
import type { Tx } from '../../db/database.js'
import { devices } from '../../db/schema.js'
import { Problem } from '../../http/problem.js'

type Given = UserStatements['keys'][number]
type Binding = Exclude<UserStatement, { kind: 'device-revoke' }>

/** Public keys that came with statements, by device. */
export type GivenKeys = ReadonlyMap<string, Given>

/** The server knows a device that comes back with its chain by its statements only. */
const NAME = 'restored device'

/** @throws {Problem} `invalid-request` if there are no keys for the device that a statement names */
export function requireKeys(keys: GivenKeys, { device, sequence }: UserStatement): Given {
  const given = keys.get(device)
  if (given === undefined)
    throw new Problem(
      'invalid-request',
      `\`keys\` lacks the public keys of device ${device}, which statement ${sequence} names.`
    )
  return given
}

/**
 * Write the rows of the devices that statements bind, all as active: those that the chain retires are ended
 * with the other effects of the statements.
 *
 * @param chain after all of the statements
 * @throws {Problem} `invalid-request`, `invalid-key`, `id-conflict` or `key-in-use`
 */
export async function restoreDevices(
  tx: Tx,
  config: Config['devices'],
  user: StoredUser,
  chain: UserChain,
  links: readonly UserLink[],
  keys: GivenKeys
): Promise<void> {
  const bindings = links.flatMap(({ statement }) => (statement.kind === 'device-revoke' ? [] : [statement]))
  const rows: (typeof devices.$inferInsert)[] = []
  const bound: { fingerprint: string; deviceId: string }[] = []
  for (const id of new Set(bindings.map(({ device }) => device))) {
    const statements = bindings.filter(({ device }) => device === id)
    const last = statements.at(-1)!
    const columns = chain.devices.has(id) ? currentKeys(last, keys, config) : retiredKeys(last)
    const present = user.devices.get(id)
    const before = present?.status === 'pending' ? pendingKeys(present, statements[0]!) : []
    for (const fingerprint of statements.flatMap(boundBy))
      if (!before.includes(fingerprint)) bound.push({ fingerprint, deviceId: id })
    if (present === undefined) rows.push({ ...newDevice(last, keys), userId: user.id, ...columns })
    else
      await tx
        .update(devices)
        .set({ status: 'active', request: null, ...columns })
        .where(eq(devices.id, id))
  }
  if (rows.length > 0) await insertDeviceRows(tx, rows)
  if (bound.length > 0) await bindKeys(tx, bound)
  const reset = bindings.findLast(({ kind }) => kind === 'device-reset')
  if (reset !== undefined) await dropPending(tx, user.id, reset.device)
}

function newDevice(statement: Binding, keys: GivenKeys) {
  const { device: id, purpose, signingKey: signingFingerprint } = statement
  const { pem: signingKey } = readSigningKey(requireKeys(keys, statement).signingKey)
  return { id, name: NAME, status: 'active' as const, purpose, signingKey, signingFingerprint }
}

function currentKeys(statement: Binding, keys: GivenKeys, { minRsaBits }: Config['devices']) {
  const { device, sequence } = statement
  const { encryptionKey, kemKey } = requireKeys(keys, statement)
  if (encryptionKey === undefined)
    throw new Problem(
      'invalid-request',
      `\`keys\` lacks the \`encryptionKey\` of device ${device}, which statement ${sequence} names.`
    )
  const read = readEncryptionKeys({ encryptionKey, ...(kemKey !== undefined && { kemKey }) }, minRsaBits)
  requireKeyLines(statement, read)
  return keyColumns(read, statement.encryptionVersion)
}

function retiredKeys({ encryptionKey, kemKey, encryptionVersion }: Binding) {
  return {
    encryptionKey: '',
    encryptionFingerprint: encryptionKey,
    kemKey: null,
    kemFingerprint: kemKey,
    encryptionVersion
  }
}

/** The keys that a pending device has bound already. @throws {Problem} `id-conflict` if it has others */
function pendingKeys(present: DeviceRow, statement: Binding): string[] {
  const { signingFingerprint, encryptionFingerprint, kemFingerprint } = present
  const own = [signingFingerprint, encryptionFingerprint, ...(kemFingerprint === '-' ? [] : [kemFingerprint])]
  if (present.purpose !== statement.purpose || own.join() !== boundBy(statement).join())
    throw new Problem('id-conflict', `A pending device with other keys has the id ${present.id}.`)
  return own
}
