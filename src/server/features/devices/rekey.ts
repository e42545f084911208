import { eq } from 'drizzle-orm'
import type { EncryptionKeyRequest } from '../../../protocol/devices.js'
import { parseStatement } from '../../../protocol/parse-statement.js'
import { requireDailyBounds } from '../../chains/chain-bounds.js'
import { boundBy, keyColumns, readEncryptionKeys, requireKeyLines } from '../../chains/device-keys.js'
import { bindKeys, type DeviceRow } from '../../chains/device-store.js'
import { verifySignatures } from '../../chains/public-keys.js'
import { applyChain, extended } from '../../chains/user-chain-changes.js'
import { findApplied, readUser, requireLine } from '../../chains/user-chain-store.js'
import type { UserRow } from '../../chains/users.js'
import type { Config } from '../../config.js'
import type { Tx } from '../../db/database.js'
import { devices } from '../../db/schema.js'
import { Problem } from '../../http/problem.js'

/** Replace a device's encryption keys: the RSA key, and the KEM key if the statement names one. */
export async function rekeyDevice(
  tx: Tx,
  config: Config['devices'],
  account: UserRow,
  deviceId: string,
  { statement: signed, ...given }: EncryptionKeyRequest
): Promise<DeviceRow> {
  const statement = parseStatement(signed.text, ['device-rekey'])
  const user = await readUser(tx, account)
  const known = await findApplied(tx, user.id, statement, signed.text)
  if (known !== undefined) return known
  const keys = readEncryptionKeys(given, config.minRsaBits)
  requireLine('device', statement.device, deviceId)
  requireKeyLines(statement, keys)
  if (!user.devices.has(deviceId)) throw new Problem('device-not-found')

  const link = { statement, signed }
  const signers = verifySignatures(signed, user.keys)
  const chain = await extended(tx, user, user.chain, link, signers)
  await requireDailyBounds(tx, user.id, config, [statement])
  await bindKeys(
    tx,
    boundBy(statement).map((fingerprint) => ({ fingerprint, deviceId }))
  )
  const [row] = await tx
    .update(devices)
    .set(keyColumns(keys, statement.encryptionVersion))
    .where(eq(devices.id, deviceId))
    .returning()
  await applyChain(tx, user, chain, [link])
  return row!
}
