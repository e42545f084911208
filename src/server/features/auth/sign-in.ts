import type { FastifyInstance } from 'fastify'
import type { AuthResponse } from '../../../protocol/accounts.js'
import type { RefreshTokens } from '../../access/tokens.js'
import { deviceView } from '../../chains/device-store.js'
import { ownUserView } from '../../chains/users.js'
import type { devices, users } from '../../db/schema.js'
import type { SessionRow } from './session-store.js'

/** The response with the tokens of a session that has just started or been renewed. */
export function signIn(
  app: FastifyInstance,
  refresh: RefreshTokens,
  session: SessionRow,
  user: typeof users.$inferSelect,
  device: typeof devices.$inferSelect | null
): AuthResponse {
  const tokens = app.signAccessToken({
    ...session,
    endsAt: performance.now() + session.expiresAt.getTime() - session.lastUsedAt.getTime()
  })
  return {
    user: ownUserView(user),
    device: device === null ? null : deviceView(device),
    ...tokens,
    refreshToken: refresh.make(session.id, session.refreshGeneration)
  }
}
