import { eq } from 'drizzle-orm'
import type { NewDevice } from '../../../protocol/devices.js'
import { Problem } from '../../http/problem.js'
import type { SignedStatement } from '../../../protocol/schema.js'
import { parseStatement } from '../../../protocol/statements.js'
import type { UserChain } from '../../../protocol/user-chain.js'
import type { Config } from '../../config.js'
import type { Tx } from '../../db/database.js'
import { devices, sessions } from '../../db/schema.js'
import {
  insertDevice,
  lockUser,
  readNewDevice,
  requireLine,
  type DeviceMaterial,
  type LockedUser
} from '../../chains/user-chain-store.js'
import { readSigningKey, verifySignatures } from '../../chains/public-keys.js'
import { appendEvents } from '../../log/append-events.js'
import { endSessions, type ActiveSession } from '../../access/sessions.js'
import { applyChain, bindSession, dropPending, extended, isApplied, type DeviceRow } from './changes.js'

/** Most pending devices of a user. */
const MAX_PENDING = 5

export interface Added {
  device: DeviceRow
  /** `known` for a retry of a request that was applied before. */
  outcome: 'active' | 'pending' | 'known'
}

/** Add a device: at once with a reset or an approving signature, otherwise as pending. */
export async function addDevice(
  tx: Tx,
  config: Config['devices'],
  session: ActiveSession,
  body: NewDevice
): Promise<Added> {
  const { userId } = session
  const material = readNewDevice(body, session.username, config.minRsaBits, ['device-add', 'device-reset'])
  const { statement, signing } = material
  const user = await lockUser(tx, userId)
  const present = user.devices.get(body.id)
  if (present !== undefined && present.status !== 'pending') {
    if (await isApplied(tx, userId, statement.sequence, body.statement.text))
      return { device: present, outcome: 'known' }
    throw new Problem('id-conflict')
  }
  const signers = verifySignatures(
    body.statement,
    new Map([...user.keys, [signing.fingerprint, signing.key]])
  )
  const approved = statement.kind === 'device-reset' || [...signers].some((signer) => user.keys.has(signer))
  // A request must be valid except for the approval, so that a signature is enough to complete it.
  const assumed = approved ? signers : new Set([...signers, ...user.keys.keys()])
  const chain = await extended(tx, userId, user.chain, statement, body.statement.text, assumed)
  requireCapacity(config, chain)
  if (present?.request?.text === body.statement.text && !approved) {
    if (session.deviceId === null) await bindSession(tx, session.id, present.id)
    return { device: present, outcome: 'pending' }
  }

  const device = await storeDevice(tx, userId, user, material, approved ? 'active' : 'pending')
  if (session.deviceId === null) await bindSession(tx, session.id, device.id)
  if (statement.kind === 'device-reset') await dropPending(tx, userId, device.id)
  if (approved) await applyChain(tx, userId, user, chain, body.statement)
  else
    await appendEvents(tx, [
      {
        type: 'device.requested',
        data: { deviceId: device.id, name: device.name, statement: body.statement },
        to: { users: [userId] }
      }
    ])
  return { device, outcome: approved ? 'active' : 'pending' }
}

function requireCapacity(config: Config['devices'], chain: UserChain): void {
  if (chain.devices.size > config.maxPerUser) throw new Problem('too-many-devices')
}

async function storeDevice(
  tx: Tx,
  userId: string,
  user: LockedUser,
  material: DeviceMaterial,
  status: 'active' | 'pending'
): Promise<DeviceRow> {
  const present = user.devices.get(material.id)
  if (present !== undefined) {
    if (
      present.signingFingerprint !== material.signing.fingerprint ||
      present.encryptionFingerprint !== material.encryption.fingerprint
    )
      throw new Problem('id-conflict', 'A pending device keeps its keys. Make a new id for new keys.')
    const request = status === 'pending' ? material.signed : null
    const [row] = await tx
      .update(devices)
      .set({ status, name: material.name, request })
      .where(eq(devices.id, material.id))
      .returning()
    return row!
  }
  const pending = [...user.devices.values()].filter((device) => device.status === 'pending')
  if (status === 'pending' && pending.length >= MAX_PENDING)
    throw new Problem(
      'too-many-devices',
      'No more devices may wait for approval. Reject one of them with DELETE /v1/devices/{id}.'
    )
  return insertDevice(tx, userId, material, status)
}

/** Complete a pending device's statement with the approving signature. */
export async function approveDevice(
  tx: Tx,
  config: Config['devices'],
  userId: string,
  deviceId: string,
  signed: SignedStatement
): Promise<DeviceRow> {
  const statement = parseStatement(signed.text, ['device-add'])
  requireLine('device', statement.device, deviceId)
  const user = await lockUser(tx, userId)
  const device = user.devices.get(deviceId)
  if (device === undefined || device.status === 'revoked') throw new Problem('device-not-found')
  if (device.status === 'active') {
    if (await isApplied(tx, userId, statement.sequence, signed.text)) return device
    throw new Problem('id-conflict', 'The device is already active.')
  }
  requireLine('signing-key', statement.signingKey, device.signingFingerprint)
  requireLine('encryption-key', statement.encryptionKey, device.encryptionFingerprint)
  const request = device.request?.text === signed.text ? device.request.signatures : {}
  const whole = { text: signed.text, signatures: { ...request, ...signed.signatures } }
  if (Object.keys(whole.signatures).length > 2)
    throw new Problem(
      'invalid-signature',
      'Only the new device and one approving device may sign the statement.'
    )
  const own = readSigningKey(device.signingKey)
  const signers = verifySignatures(whole, new Map([...user.keys, [own.fingerprint, own.key]]))
  const chain = await extended(tx, userId, user.chain, statement, signed.text, signers)
  requireCapacity(config, chain)
  const [row] = await tx
    .update(devices)
    .set({ status: 'active', request: null })
    .where(eq(devices.id, deviceId))
    .returning()
  await applyChain(tx, userId, user, chain, whole)
  return row!
}

/** Reject a pending device: it is deleted with its sessions, and its keys may be used again. */
export async function rejectDevice(tx: Tx, userId: string, deviceId: string): Promise<void> {
  const device = (await lockUser(tx, userId)).devices.get(deviceId)
  if (device === undefined) throw new Problem('device-not-found')
  if (device.status !== 'pending') throw new Problem('device-not-pending')
  const ended = await endSessions(tx, eq(sessions.deviceId, deviceId))
  await tx.delete(devices).where(eq(devices.id, deviceId))
  await appendEvents(tx, ended)
}
