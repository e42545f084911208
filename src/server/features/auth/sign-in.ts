import { randomUUID } from 'node:crypto'
import { sql, type SQL } from 'drizzle-orm'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { SignIn } from '../../../protocol/accounts.js'
import type { Config } from '../../config.js'
import type { Tx } from '../../db/database.js'
import { sessions, type devices, type users } from '../../db/schema.js'
import { deviceView } from '../../chains/user-chain-store.js'
import type { Services } from '../../services.js'
import { userView } from '../../chains/users.js'

/** Sessions live by the database's clock, which is one for all processes. */
export const NOW = sql`now()`

export type SessionRow = typeof sessions.$inferSelect

/** Begin a session. */
export async function insertSession(
  tx: Tx,
  config: Config['sessions'],
  request: FastifyRequest,
  userId: string,
  deviceId: string | null
): Promise<SessionRow> {
  const [session] = await tx
    .insert(sessions)
    .values({
      id: randomUUID(),
      userId,
      deviceId,
      address: request.ip,
      userAgent: (request.headers['user-agent'] ?? '').slice(0, 256),
      createdAt: NOW,
      lastUsedAt: NOW,
      expiresAt: expiry(config, NOW)
    })
    .returning()
  return session!
}

/** When a session that began at `createdAt` ends if it is not used from now on: idle or absolute expiry. */
export function expiry(config: Config['sessions'], createdAt: SQL | typeof sessions.createdAt): SQL {
  const idle = sql`${NOW} + ${config.idleSeconds} * interval '1 second'`
  const absolute = sql`${createdAt} + ${config.lifetimeSeconds} * interval '1 second'`
  return sql`least(${idle}, ${absolute})`
}

/** The answer that hands out the tokens of a session that is used at this moment. */
export function signIn(
  app: FastifyInstance,
  { refresh }: Services,
  session: SessionRow,
  user: typeof users.$inferSelect,
  device: typeof devices.$inferSelect | null
): SignIn {
  const tokens = app.signAccessToken({
    ...session,
    endsAt: performance.now() + session.expiresAt.getTime() - session.lastUsedAt.getTime()
  })
  return {
    user: userView(user),
    device: device === null ? null : deviceView(device),
    ...tokens,
    refreshToken: refresh.make(session.id, session.refreshGeneration)
  }
}
