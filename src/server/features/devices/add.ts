import { eq } from 'drizzle-orm'
import type { NewDevice } from '../../../protocol/devices.js'
import { parseStatement } from '../../../protocol/parse-statement.js'
import { requireReset } from '../../access/auth.js'
import type { ActiveSession } from '../../access/sessions.js'
import { requireCapacity, requireDailyBounds } from '../../chains/chain-bounds.js'
import {
  dropPending,
  insertDevice,
  readNewDevice,
  type DeviceMaterial,
  type DeviceRow
} from '../../chains/device-store.js'
import { verifySignatures } from '../../chains/public-keys.js'
import { applyChain, extended } from '../../chains/user-chain-changes.js'
import { findApplied, readUser, type StoredUser } from '../../chains/user-chain-store.js'
import type { UserRow } from '../../chains/users.js'
import type { Config } from '../../config.js'
import type { Tx } from '../../db/database.js'
import { devices, sessions } from '../../db/schema.js'
import { Problem } from '../../http/problem.js'
import { appendEvents } from '../../log/append-events.js'

/** Most pending devices of a user. */
export const MAX_PENDING = 5
const KINDS = ['device-add', 'device-reset'] as const

export interface Added {
  device: DeviceRow
  /** `known` for a retry of a request that was applied before. */
  outcome: 'active' | 'pending' | 'known'
}

/** Add a device to an account that is locked: at once with a reset or an approving signature, otherwise as pending. */
export async function addDevice(
  tx: Tx,
  config: Config['devices'],
  session: ActiveSession,
  account: UserRow,
  body: NewDevice
): Promise<Added> {
  const { text } = body.statement
  const user = await readUser(tx, account)
  const known = await findApplied(tx, user.id, parseStatement(text, KINDS), text)
  if (known !== undefined) return { device: known, outcome: 'known' }

  const material = readNewDevice(body, session.username, config.minRsaBits, KINDS)
  const { statement, signing, signed } = material
  const signers = verifySignatures(signed, new Map([...user.keys, [signing.fingerprint, signing.key]]))
  const approved = statement.kind === 'device-reset' || [...signers].some((signer) => user.keys.has(signer))
  // A request must be valid except for the approval, so that a signature is enough to complete it.
  const assumed = approved ? signers : new Set([...signers, ...user.keys.keys()])
  const chain = await extended(tx, user, user.chain, material, assumed)
  if (statement.kind === 'device-reset') requireReset(session, session.username)
  requireCapacity(config, chain)
  await requireDailyBounds(tx, user.id, config, [statement])
  const present = user.devices.get(body.id)
  if (present?.request?.text === text && !approved) {
    if (session.deviceId === null) await bindSession(tx, session.id, present.id)
    return { device: present, outcome: 'pending' }
  }

  const device = await storeDevice(tx, user, material, approved ? 'active' : 'pending')
  if (session.deviceId === null) await bindSession(tx, session.id, device.id)
  if (statement.kind === 'device-reset') await dropPending(tx, user.id, device.id)
  if (approved) await applyChain(tx, user, chain, [material])
  else
    await appendEvents(tx, [
      {
        type: 'device.requested',
        data: { deviceId: device.id, name: device.name, statement: signed },
        to: { users: [user.id] }
      }
    ])
  return { device, outcome: approved ? 'active' : 'pending' }
}

/** Bind a session without a device to the one that it has just added. */
async function bindSession(tx: Tx, sessionId: string, deviceId: string): Promise<void> {
  await tx.update(sessions).set({ deviceId }).where(eq(sessions.id, sessionId))
}

async function storeDevice(
  tx: Tx,
  user: StoredUser,
  material: DeviceMaterial,
  status: 'active' | 'pending'
): Promise<DeviceRow> {
  const present = user.devices.get(material.id)
  if (present !== undefined) {
    requireSameKeys(present, material)
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
      `${MAX_PENDING} devices wait for approval, and no more may. Reject one of them with DELETE /v1/devices/{id}, ` +
        'or wait until the oldest is forgotten after 7 days.'
    )
  return insertDevice(tx, user.id, material, status)
}

function requireSameKeys(present: DeviceRow, { statement }: DeviceMaterial): void {
  const { signingKey, encryptionKey, kemKey, purpose } = statement
  if (
    present.signingFingerprint !== signingKey ||
    present.encryptionFingerprint !== encryptionKey ||
    present.kemFingerprint !== kemKey ||
    present.purpose !== purpose
  )
    throw new Problem('id-conflict', 'A pending device keeps its keys. Make a new id for new keys.')
}
