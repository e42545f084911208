import { and, eq } from 'drizzle-orm'
import { AuthResponse, Credentials, RefreshRequest } from '../../../protocol/accounts.js'
import { ref } from '../../../protocol/schema.js'
import type { FastifyRequest } from 'fastify'
import { holdAccount } from '../../access/accounts.js'
import { logFailedLogin } from '../../access/login-throttle.js'
import { networkOf } from '../../access/rate-limits.js'
import { tryPassword } from '../../access/try-password.js'
import type { Db } from '../../db/database.js'
import { devices, users } from '../../db/schema.js'
import type { App } from '../../http/app.js'
import { problemResponses } from '../../http/problem-responses.js'
import { Problem } from '../../http/problem.js'
import { transaction } from '../../log/append-events.js'
import type { Services } from '../../services.js'
import { deviceLoginRoutes } from './device-login.js'
import { passwordResetRoutes } from './password-reset.js'
import { registrationRoutes } from './registration.js'
import { insertSession, markSeen, renewSession } from './session-store.js'
import { signIn } from './sign-in.js'

type AuthServices = Pick<
  Services,
  'attempts' | 'config' | 'db' | 'log' | 'logins' | 'passwords' | 'refresh' | 'secret' | 'sessions'
>

/** The hash of a password may change between its check and the log-in: by a new password, or a log-in beside it. */
const LOGIN_TRIES = 3

/** Registration, log-in and refresh: the calls that need no access token. */
export function authRoutes(app: App, services: AuthServices): void {
  const { config, db, logins, refresh } = services
  const tokenIn = ({ body }: FastifyRequest) => {
    const { refreshToken } = (body ?? {}) as { refreshToken?: unknown }
    return typeof refreshToken === 'string' ? refresh.read(refreshToken) : null
  }

  registrationRoutes(app, services)

  app.post(
    '/auth/login',
    {
      config: { limit: 'auth' },
      schema: {
        operationId: 'logIn',
        tags: ['accounts'],
        summary: 'Log in',
        description:
          'Without `deviceId` the session has no device: it can only read the account and add a device.',
        body: ref(Credentials),
        response: {
          200: ref(AuthResponse),
          ...problemResponses(
            'invalid-credentials',
            'suspended',
            'device-not-found',
            'device-pending',
            'overloaded'
          )
        }
      }
    },
    async (request, reply) => {
      const { password, deviceId } = request.body
      const username = request.body.username.toLowerCase()
      for (let tries = 0; tries < LOGIN_TRIES; tries++) {
        const { user, ok, outdated } = await tryPassword(services, request, reply, username, password)
        if (!ok || user === null) {
          logFailedLogin(request, user === null ? 'unknown-name' : 'wrong-password')
          throw new Problem('invalid-credentials')
        }
        const passwordHash = outdated ? await rehash(services, user, password) : user.passwordHash
        const device = deviceId === undefined ? null : await findDevice(db, user.id, deviceId)
        if (deviceId !== undefined && (device === null || device.status === 'revoked'))
          throw new Problem('device-not-found')
        if (device?.status === 'pending') throw new Problem('device-pending')
        const response = await transaction(services, async (tx) => {
          if ((await holdAccount(tx, user.id)) !== passwordHash) return null
          const owner = device ?? { id: null, userId: user.id }
          const session = await insertSession(tx, config.sessions, request, owner, 'password')
          return signIn(app, refresh, session, user, device)
        })
        if (response !== null) return response
      }
      throw new Problem('invalid-credentials')
    }
  )

  app.post(
    '/auth/refresh',
    {
      config: { limit: false },
      // Neighbours behind one address do not keep each other from refreshing.
      preValidation: app.limitBy('auth', (request) => tokenIn(request)?.sessionId ?? networkOf(request)),
      schema: {
        operationId: 'refresh',
        tags: ['accounts'],
        summary: 'Exchange a refresh token for new tokens',
        description:
          'A refresh token is valid for one use. Again within 10 seconds of its use it brings the same new refresh ' +
          'token, for clients that have lost the answer. Using it later revokes the session.',
        body: ref(RefreshRequest),
        response: { 200: ref(AuthResponse), ...problemResponses('invalid-refresh-token', 'session-ended') }
      }
    },
    async (request) => {
      const token = tokenIn(request)
      if (token === null) throw new Problem('invalid-refresh-token')
      const renewed = await transaction(services, (tx) => renewSession(tx, config.sessions, token))
      if (renewed === null) throw new Problem('session-ended')
      services.sessions.forget(renewed.id)
      if (renewed.deviceId !== null) await markSeen(db, renewed.deviceId)
      const [user] = await db.select().from(users).where(eq(users.id, renewed.userId))
      logins.remember(user!.username, request)
      const device = renewed.deviceId === null ? null : await findDevice(db, renewed.userId, renewed.deviceId)
      return signIn(app, refresh, renewed, user!, device)
    }
  )

  deviceLoginRoutes(app, services)
  passwordResetRoutes(app, services)
}

/**
 * Hash a password again, with the iterations of today. If there is too much to do, the next log-in does it; if the
 * password was changed meanwhile, nobody does.
 *
 * @returns the hash that is stored if the password is the same
 */
async function rehash(
  { db, passwords }: Pick<Services, 'db' | 'passwords'>,
  user: typeof users.$inferSelect,
  password: string
): Promise<string | null> {
  const passwordHash = await passwords.hash(password).catch((error: unknown) => {
    if (error instanceof Problem && error.code === 'overloaded') return null
    throw error
  })
  if (passwordHash === null) return user.passwordHash
  const was = eq(users.passwordHash, user.passwordHash!)
  await db
    .update(users)
    .set({ passwordHash })
    .where(and(eq(users.id, user.id), was))
  return passwordHash
}

async function findDevice(db: Db, userId: string, id: string) {
  const [device] = await db
    .select()
    .from(devices)
    .where(and(eq(devices.id, id), eq(devices.userId, userId)))
  return device ?? null
}
