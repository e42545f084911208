import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { SignIn } from '../../../protocol/accounts.js'
import type { Config } from '../../config.js'
import type { Tx } from '../../db/index.js'
import { sessions, type devices, type users } from '../../db/schema.js'
import { deviceView } from '../../identity.js'
import type { Services } from '../../services.js'
import { userView } from './queries.js'

export type SessionRow = typeof sessions.$inferSelect

/** Begin a session. */
export async function insertSession(
  tx: Tx,
  config: Config,
  request: FastifyRequest,
  userId: string,
  deviceId: string | null
): Promise<SessionRow> {
  const now = new Date()
  const [session] = await tx
    .insert(sessions)
    .values({
      id: randomUUID(),
      userId,
      deviceId,
      address: request.ip,
      userAgent: (request.headers['user-agent'] ?? '').slice(0, 256),
      createdAt: now,
      lastUsedAt: now,
      expiresAt: expiry(config, now, now)
    })
    .returning()
  return session!
}

/** When a session that began at `createdAt` ends if it is not used after `now`: idle or absolute expiry. */
export function expiry(config: Config, createdAt: Date, now: Date): Date {
  const idle = now.getTime() + config.SESSION_TIMEOUT * 1000
  const absolute = createdAt.getTime() + config.SESSION_LIFETIME * 1000
  return new Date(Math.min(idle, absolute))
}

/** The answer that hands out a session's tokens. */
export function signIn(
  app: FastifyInstance,
  { refresh }: Services,
  session: SessionRow,
  user: typeof users.$inferSelect,
  device: typeof devices.$inferSelect | null
): SignIn {
  const tokens = app.signAccessToken({
    ...session,
    username: user.username,
    deviceActive: device?.status === 'active',
    expiresAt: session.expiresAt.getTime(),
    stale: false
  })
  return {
    user: userView(user),
    device: device === null ? null : deviceView(device),
    ...tokens,
    refreshToken: refresh.make(session.id, session.refreshGeneration)
  }
}
