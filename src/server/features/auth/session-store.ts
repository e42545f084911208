import { randomUUID } from 'node:crypto'
import { and, desc, eq, gt, inArray, isNotNull, ne, sql, type SQL } from 'drizzle-orm'
import type { FastifyRequest } from 'fastify'
import { endSessions } from '../../access/sessions.js'
import type { Config } from '../../config.js'
import type { SignInMethod } from '../../../protocol/accounts.js'
import type { Db, Tx } from '../../db/database.js'
import { devices, sessions } from '../../db/schema.js'
import { appendEvents, type NewEvent } from '../../log/append-events.js'

/** The database's clock, which is the same for all processes. */
const NOW = sql`now()`

export type SessionRow = typeof sessions.$inferSelect

/**
 * Begin a session of a user, or of one of their devices, which may sign in with its key from now on. If the user has
 * too many, those end that were not used for the longest time. The transaction holds the account.
 *
 * @param owner a device, or a user with `id: null`
 */
export async function insertSession(
  tx: Tx,
  config: Config['sessions'],
  request: FastifyRequest,
  { id: deviceId, userId }: { id: string | null; userId: string },
  method: SignInMethod
): Promise<SessionRow> {
  if (deviceId !== null) await tx.update(devices).set({ seenAt: NOW }).where(eq(devices.id, deviceId))
  const [session] = await tx
    .insert(sessions)
    .values({
      id: randomUUID(),
      userId,
      deviceId,
      method,
      address: request.address,
      userAgent: (request.headers['user-agent'] ?? '').slice(0, 256),
      createdAt: NOW,
      lastUsedAt: NOW,
      expiresAt: expiry(config, NOW)
    })
    .returning()
  await appendEvents(tx, await endSurplus(tx, config, session!))
  return session!
}

/** @returns the event to append, none if there are not too many */
function endSurplus(
  tx: Tx,
  { maxPerUser }: Config['sessions'],
  { id, userId }: SessionRow
): Promise<NewEvent[]> {
  const surplus = tx
    .select({ id: sessions.id })
    .from(sessions)
    .where(and(eq(sessions.userId, userId), ne(sessions.id, id)))
    .orderBy(desc(sessions.lastUsedAt))
    .offset(maxPerUser - 1)
  return endSessions(tx, inArray(sessions.id, surplus))
}

/** A device has refreshed its session. One that has logged out meanwhile stays out. */
export async function markSeen(db: Db, deviceId: string): Promise<void> {
  await db
    .update(devices)
    .set({ seenAt: NOW })
    .where(and(eq(devices.id, deviceId), isNotNull(devices.seenAt)))
}

/**
 * SQL: when a session ends if it is not refreshed again, which is the earlier of idle and absolute expiry.
 */
function expiry(config: Config['sessions'], createdAt: SQL | typeof sessions.createdAt): SQL {
  const idle = sql`${NOW} + ${config.idleSeconds} * interval '1 second'`
  const absolute = sql`${createdAt} + ${config.lifetimeSeconds} * interval '1 second'`
  return sql`least(${idle}, ${absolute})`
}

/** For so long after its use a refresh token brings the same successor: the answer may have been lost. */
const GRACE = sql`interval '10 seconds'`

/**
 * Put off the end of a session, for the refresh token of this generation. The token of the generation before does
 * nothing for a short time; later it ends the session, as older ones do, because two clients have it.
 *
 * @returns the session in the generation of the next token; null if the session has ended
 */
export async function renewSession(
  tx: Tx,
  config: Config['sessions'],
  { sessionId, generation }: { sessionId: string; generation: number }
): Promise<SessionRow | null> {
  const isAlive = and(eq(sessions.id, sessionId), gt(sessions.expiresAt, NOW))
  const [found] = await tx
    .select({ session: sessions, isRecent: sql<boolean>`${sessions.lastUsedAt} > ${NOW} - ${GRACE}` })
    .from(sessions)
    .where(isAlive)
    .for('update')
  if (found === undefined) return null
  const { session, isRecent } = found
  if (session.refreshGeneration === generation + 1 && isRecent) return session
  if (session.refreshGeneration !== generation) {
    await appendEvents(tx, await endSessions(tx, eq(sessions.id, sessionId)))
    return null
  }
  const [renewed] = await tx
    .update(sessions)
    .set({
      refreshGeneration: sql`${sessions.refreshGeneration} + 1`,
      lastUsedAt: NOW,
      expiresAt: expiry(config, sessions.createdAt)
    })
    .where(eq(sessions.id, sessionId))
    .returning()
  return renewed!
}
