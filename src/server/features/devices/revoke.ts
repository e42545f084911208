import { parseStatement } from '../../../protocol/parse-statement.js'
import type { SignedStatement } from '../../../protocol/schema.js'
import type { DeviceRow } from '../../chains/device-store.js'
import { verifySignatures } from '../../chains/public-keys.js'
import { applyChain, extended } from '../../chains/user-chain-changes.js'
import { findApplied, readUser, requireLine } from '../../chains/user-chain-store.js'
import type { UserRow } from '../../chains/users.js'
import type { Tx } from '../../db/database.js'
import { Problem } from '../../http/problem.js'

/** End a device, its sessions and its streams. */
export async function revokeDevice(
  tx: Tx,
  account: UserRow,
  deviceId: string,
  signed: SignedStatement
): Promise<DeviceRow> {
  const statement = parseStatement(signed.text, ['device-revoke'])
  const user = await readUser(tx, account)
  const known = await findApplied(tx, user.id, statement, signed.text)
  if (known !== undefined) return known
  requireLine('device', statement.device, deviceId)
  const device = user.devices.get(deviceId)
  if (device === undefined) throw new Problem('device-not-found')

  const link = { statement, signed }
  const signers = verifySignatures(signed, user.keys)
  const chain = await extended(tx, user, user.chain, link, signers)
  await applyChain(tx, user, chain, [link])
  return { ...device, status: 'revoked' }
}
