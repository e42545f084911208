import { and, desc, eq, inArray, isNull, lt, type SQL } from 'drizzle-orm'
import type { SessionKey } from '../../../protocol/conversations.js'
import type { Db } from '../../db/database.js'
import { devices, memberships, sessionKeyWraps, sessionKeys, users } from '../../db/schema.js'

interface ReadSessionKey {
  serial: number
  view: SessionKey
}

/** Session keys with a wrap for the device, newest first, whose serial is below `before`. */
export function readSessionKeys(
  db: Db,
  conversationId: string,
  deviceId: string,
  before: number,
  limit: number
): Promise<ReadSessionKey[]> {
  return readWrapped(db, conversationId, deviceId, lt(sessionKeys.serial, before), limit)
}

/** The session key of this id, if there is a wrap of it for the device. */
export async function readSessionKey(
  db: Db,
  conversationId: string,
  deviceId: string,
  id: string
): Promise<SessionKey | undefined> {
  const [key] = await readWrapped(db, conversationId, deviceId, eq(sessionKeys.id, id), 1)
  return key?.view
}

async function readWrapped(
  db: Db,
  conversationId: string,
  deviceId: string,
  which: SQL,
  limit: number
): Promise<ReadSessionKey[]> {
  const own = and(eq(sessionKeyWraps.sessionKeyId, sessionKeys.id), eq(sessionKeyWraps.deviceId, deviceId))
  const keys = await db
    .select({ key: sessionKeys, wrappedKey: sessionKeyWraps.wrappedKey })
    .from(sessionKeys)
    .innerJoin(sessionKeyWraps, own)
    .where(and(eq(sessionKeys.conversationId, conversationId), which))
    .orderBy(desc(sessionKeys.serial))
    .limit(limit)
  if (keys.length === 0) return []
  const rosters = await readRosters(
    db,
    keys.map(({ key }) => key.id)
  )
  return keys.map(({ key, wrappedKey }) => ({
    serial: key.serial,
    view: {
      id: key.id,
      statement: { text: key.text, signatures: key.signatures },
      roster: rosters.get(key.id) ?? [],
      wrappedKey: wrappedKey.toString('base64'),
      createdAt: key.createdAt.toISOString()
    }
  }))
}

async function readRosters(db: Db, ids: string[]): Promise<Map<string, SessionKey['roster']>> {
  const rows = await db
    .select({
      id: sessionKeyWraps.sessionKeyId,
      signingKey: sessionKeyWraps.signingFingerprint,
      encryptionKey: sessionKeyWraps.encryptionFingerprint
    })
    .from(sessionKeyWraps)
    .where(and(inArray(sessionKeyWraps.sessionKeyId, ids), eq(sessionKeyWraps.inRoster, true)))
    .orderBy(sessionKeyWraps.signingFingerprint)
  const rosters = new Map<string, SessionKey['roster']>()
  for (const { id, ...line } of rows) {
    const roster = rosters.get(id)
    if (roster === undefined) rosters.set(id, [line])
    else roster.push(line)
  }
  return rosters
}

/** The given devices, as far as they are active and belong to current members under their current root. */
export function coverableDevices(db: Db, conversationId: string, deviceIds: string[]) {
  return db
    .select({ device: devices, userId: users.id })
    .from(devices)
    .innerJoin(users, eq(users.id, devices.userId))
    .innerJoin(
      memberships,
      and(
        eq(memberships.userId, users.id),
        eq(memberships.root, users.root),
        eq(memberships.conversationId, conversationId),
        isNull(memberships.leftAt)
      )
    )
    .where(and(inArray(devices.id, deviceIds), eq(devices.status, 'active')))
}
