import { and, eq } from 'drizzle-orm'
import { parseStatement } from '../../../protocol/parse-statement.js'
import type { SignedStatement } from '../../../protocol/schema.js'
import { endSessions } from '../../access/sessions.js'
import { requireCapacity, requireDailyBounds } from '../../chains/chain-bounds.js'
import type { DeviceRow } from '../../chains/device-store.js'
import { readSigningKey, verifySignatures } from '../../chains/public-keys.js'
import { applyChain, extended } from '../../chains/user-chain-changes.js'
import { findApplied, readUser, requireLine } from '../../chains/user-chain-store.js'
import type { UserRow } from '../../chains/users.js'
import type { Config } from '../../config.js'
import type { Tx } from '../../db/database.js'
import { devices, sessions } from '../../db/schema.js'
import { Problem } from '../../http/problem.js'
import { appendEvents } from '../../log/append-events.js'

/** Complete a pending device's statement with the approving signature. */
export async function approveDevice(
  tx: Tx,
  config: Config['devices'],
  account: UserRow,
  deviceId: string,
  approval: SignedStatement
): Promise<DeviceRow> {
  const { text } = approval
  const statement = parseStatement(text, ['device-add'])
  const user = await readUser(tx, account)
  const known = await findApplied(tx, user.id, statement, text)
  if (known !== undefined) return known
  requireLine('device', statement.device, deviceId)
  const device = user.devices.get(deviceId)
  if (device === undefined) throw new Problem('device-not-found')
  if (device.status === 'active') throw new Problem('id-conflict', 'The device is already active.')

  requireLine('purpose', statement.purpose, device.purpose)
  requireLine('signing-key', statement.signingKey, device.signingFingerprint)
  requireLine('encryption-key', statement.encryptionKey, device.encryptionFingerprint)
  requireLine('kem-key', statement.kemKey, device.kemFingerprint)
  const request = device.request?.text === text ? device.request.signatures : {}
  const signed = { text, signatures: { ...request, ...approval.signatures } }
  if (Object.keys(signed.signatures).length > 2)
    throw new Problem(
      'invalid-signature',
      'Only the new device and one approving device may sign the statement.'
    )
  const own = readSigningKey(device.signingKey)
  const signers = verifySignatures(signed, new Map([...user.keys, [own.fingerprint, own.key]]))
  const chain = await extended(tx, user, user.chain, { statement, signed }, signers)
  requireCapacity(config, chain)
  await requireDailyBounds(tx, user.id, config, [statement])
  const [row] = await tx
    .update(devices)
    .set({ status: 'active', request: null })
    .where(eq(devices.id, deviceId))
    .returning()
  await applyChain(tx, user, chain, [{ statement, signed }])
  return row!
}

/** Reject a pending device: it is deleted with its sessions, and its keys may be used again. */
export async function rejectDevice(tx: Tx, userId: string, deviceId: string): Promise<void> {
  const [device] = await tx
    .select({ status: devices.status })
    .from(devices)
    .where(and(eq(devices.id, deviceId), eq(devices.userId, userId)))
  if (device === undefined) throw new Problem('device-not-found')
  if (device.status !== 'pending') throw new Problem('device-not-pending')
  const ended = await endSessions(tx, eq(sessions.deviceId, deviceId))
  await tx.delete(devices).where(eq(devices.id, deviceId))
  await appendEvents(tx, ended)
}
