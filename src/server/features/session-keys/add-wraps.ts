import { sql } from 'drizzle-orm'
import type { NewWraps } from '../../../protocol/conversations.js'
import { wrapBytes } from '../../../protocol/kem.js'
import { parseStatement } from '../../../protocol/parse-statement.js'
import type { DeviceSession } from '../../access/auth.js'
import { requireMember } from '../../chains/memberships.js'
import { sha256Hex } from '../../chains/public-keys.js'
import { modulusBytes } from '../../chains/rosters.js'
import { readSigningDevice, requireSigned, type SigningDevice } from '../../chains/signing-device.js'
import { requireLine } from '../../chains/user-chain-store.js'
import { holdUserChains } from '../../chains/user-chain-lock.js'
import type { Tx } from '../../db/database.js'
import { arrayOf, rows } from '../../db/rows.js'
import { Problem } from '../../http/problem.js'
import { appendEvents } from '../../log/append-events.js'
import { named } from './queries.js'

type NewWrap = NewWraps['wraps'][number]

interface Target {
  id: string
  fingerprint: string
  hasKemKey: boolean
  modulusBytes: number
}

/** Add wraps of a session key for other devices of the caller, which must have the key. Repeats change nothing. */
export async function addWraps(
  tx: Tx,
  session: DeviceSession,
  conversationId: string,
  keyName: string,
  { wraps }: NewWraps
): Promise<void> {
  const ids = wraps.map(({ deviceId }) => deviceId)
  if (new Set(ids).size < ids.length)
    throw new Problem('invalid-request', 'There are two wraps for the same device in `wraps`.')
  // No device of the user may go before these wraps are stored.
  await holdUserChains(tx)
  const by = await readSigningDevice(tx, session)
  if (by.purpose !== 'chat')
    throw new Problem('forbidden', 'A recovery device signs only in the chain of its own user.')
  const key = await findHeldKey(tx, session, conversationId, keyName)
  if (key === undefined) {
    await requireMember(tx, conversationId, session.userId)
    throw new Problem('session-key-not-found')
  }
  const targets = await readTargets(tx, session, ids)
  const checked = wraps.map((wrap) => {
    const target = targets.get(wrap.deviceId)
    if (target === undefined) throw new Problem('device-not-found')
    requireWrap({ conversationId, key: key.hash }, by, target, wrap)
    return wrap
  })
  const deviceIds = await storeWraps(tx, key.id, by, checked)
  if (deviceIds.length === 0) return
  await appendEvents(tx, [
    {
      type: 'session-key.shared',
      data: { conversationId, sessionKeyId: key.id, deviceIds },
      to: { users: [session.userId] }
    }
  ])
}

/** A session key of which the calling device has or had a wrap. */
async function findHeldKey(
  tx: Tx,
  { deviceId }: DeviceSession,
  conversationId: string,
  keyName: string
): Promise<{ id: string; hash: string } | undefined> {
  const [key] = await rows<{ id: string; hash: string }>(
    tx,
    sql`
select k.id, k.hash from session_keys k
where k.conversation_id = ${conversationId}::uuid and ${named(keyName)} and (
  exists (select from session_key_wraps w where w.session_key_id = k.id and w.device_id = ${deviceId}::uuid)
  or exists (select from added_wraps w where w.session_key_id = k.id and w.device_id = ${deviceId}::uuid))`
  )
  return key
}

/** The given devices, if they are active ones of the user and not the calling one. */
async function readTargets(
  tx: Tx,
  { userId, deviceId }: DeviceSession,
  ids: readonly string[]
): Promise<Map<string, Target>> {
  const found = await rows<Target>(
    tx,
    sql`
select id, signing_fingerprint as fingerprint, kem_key is not null as "hasKemKey",
  ${sql.raw(modulusBytes('encryption_key'))} as "modulusBytes"
from devices
where user_id = ${userId}::uuid and status = 'active' and id <> ${deviceId}::uuid
  and id = any (${arrayOf(ids)}::uuid[])`
  )
  return new Map(found.map((target) => [target.id, target]))
}

/** @throws {RuleViolation} `invalid-statement`, `invalid-signature` @throws {Problem} `invalid-request` */
function requireWrap(
  named: { conversationId: string; key: string },
  by: SigningDevice,
  target: Target,
  { wrappedKey, statement: signed }: NewWrap
): void {
  const bytes = Buffer.from(wrappedKey, 'base64')
  const size = wrapBytes(8 * target.modulusBytes, target.hasKemKey)
  if (bytes.length !== size)
    throw new Problem('invalid-request', `The wrap for device ${target.id} must have ${size} bytes.`)
  const statement = parseStatement(signed.text, ['wrap-added'])
  requireLine('conversation', statement.conversation, named.conversationId)
  requireLine('key', statement.key, named.key)
  requireLine('reader', statement.reader, target.fingerprint)
  requireLine('wrap', statement.wrap, sha256Hex(bytes))
  requireSigned(by, statement.by, signed)
}

/**
 * One wrap of each active device for each reader: those that gone devices have added are replaced.
 *
 * @returns the devices whose wraps are new or changed
 */
async function storeWraps(
  tx: Tx,
  keyId: string,
  by: SigningDevice,
  wraps: readonly NewWrap[]
): Promise<string[]> {
  const values = wraps.map(({ deviceId, wrappedKey, statement }) => ({ deviceId, wrappedKey, ...statement }))
  const readers = arrayOf(wraps.map(({ deviceId }) => deviceId))
  await tx.execute(sql`
delete from added_wraps a using devices d
where a.session_key_id = ${keyId}::uuid and a.device_id = any (${readers}::uuid[])
  and d.id = a.added_by and d.status <> 'active'`)
  const stored = await rows<{ deviceId: string }>(
    tx,
    sql`
insert into added_wraps as a (session_key_id, device_id, added_by, wrapped_key, text, signatures)
select ${keyId}::uuid, w."deviceId", ${by.id}::uuid, decode(w."wrappedKey", 'base64'), w.text, w.signatures
from json_to_recordset(${JSON.stringify(values)}::json)
  as w("deviceId" uuid, "wrappedKey" text, text text, signatures json)
on conflict (session_key_id, device_id, added_by) do update
set wrapped_key = excluded.wrapped_key, text = excluded.text, signatures = excluded.signatures, fetched_at = null
where a.text <> excluded.text
returning device_id as "deviceId"`
  )
  return stored.map(({ deviceId }) => deviceId)
}
