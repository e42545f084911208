import { randomUUID } from 'node:crypto'
import { and, eq, gt, sql } from 'drizzle-orm'
import { Credentials, RefreshRequest, Registration, SignIn } from '../../../protocol/accounts.js'
import { Problem } from '../../http/problem.js'
import { ref } from '../../../protocol/schema.js'
import { extendUserChain } from '../../../protocol/user-chain.js'
import type { App } from '../../http/app.js'
import { duplicateOf } from '../../db/errors.js'
import { sessions, users } from '../../db/schema.js'
import { insertDevice, insertUserStatement, readNewDevice } from '../../chains/user-chain-store.js'
import { verifySignatures } from '../../chains/public-keys.js'
import { appendEvents, transaction } from '../../log/append.js'
import { problemResponses } from '../../http/problem-responses.js'
import type { Services } from '../../services.js'
import { endSessions } from '../../access/sessions.js'
import { isCommonPassword } from './common-passwords.js'
import { LoginThrottle } from './login-throttle.js'
import { findDevice, findUser } from '../../chains/users.js'
import { NOW, expiry, insertSession, signIn } from './sign-in.js'

/** Registration and log-in: no token yet. */
export function authRoutes(app: App, services: Services): void {
  const { config, db, passwords, refresh } = services
  const guesses = new LoginThrottle(services)

  app.post(
    '/auth/register',
    {
      config: { limit: 'auth' },
      schema: {
        operationId: 'register',
        tags: ['accounts'],
        summary: 'Register a user with a first device',
        body: ref(Registration),
        response: {
          201: ref(SignIn),
          ...problemResponses(
            ...(['invalid-key', 'invalid-statement', 'invalid-signature', 'weak-password'] as const),
            ...(['username-taken', 'id-conflict', 'key-in-use', 'overloaded'] as const)
          )
        }
      }
    },
    async (request, reply) => {
      const { password, device: given } = request.body
      const username = request.body.username.toLowerCase()
      const material = readNewDevice(given, username, config.devices.minRsaBits, ['device-add'])
      const signers = verifySignatures(
        given.statement,
        new Map([[material.signing.fingerprint, material.signing.key]])
      )
      const chain = extendUserChain(null, material.statement, material.hash, signers)
      if (isCommonPassword(password, username)) throw new Problem('weak-password')
      if ((await findUser(db, username)) !== null) throw new Problem('username-taken')
      const passwordHash = await passwords.hash(password)

      const answer = await db
        .transaction(async (tx) => {
          const { sequence: chainSequence, head: chainHead, root } = chain
          const [user] = await tx
            .insert(users)
            .values({ id: randomUUID(), username, passwordHash, chainSequence, chainHead, root })
            .returning()
          const device = await insertDevice(tx, user!.id, material, 'active')
          await insertUserStatement(tx, user!.id, 1, given.statement)
          const session = await insertSession(tx, config.sessions, request, user!.id, device.id)
          return signIn(app, services, session, user!, device)
        })
        .catch((error: unknown) => {
          throw registrationConflict(error)
        })
      guesses.know(username, request)
      return reply.status(201).send(answer)
    }
  )

  app.post(
    '/auth/login',
    {
      config: { limit: 'auth' },
      schema: {
        operationId: 'logIn',
        tags: ['accounts'],
        summary: 'Begin a session',
        description:
          'Without `deviceId` the session has no device: it may read the account and add a device.',
        body: ref(Credentials),
        response: {
          200: ref(SignIn),
          ...problemResponses('invalid-credentials', 'device-not-found', 'device-pending', 'overloaded')
        }
      }
    },
    async (request, reply) => {
      const { password, deviceId } = request.body
      const username = request.body.username.toLowerCase()
      const user = await findUser(db, username)
      const { ok, outdated } = await guesses.attempt(username, request, reply, () =>
        passwords.verify(password, user?.passwordHash ?? null)
      )
      if (!ok || user === null) throw new Problem('invalid-credentials')
      if (outdated) await rehash(services, user.id, password)
      const device = deviceId === undefined ? null : await findDevice(db, user.id, deviceId)
      if (deviceId !== undefined && (device === null || device.status === 'revoked'))
        throw new Problem('device-not-found')
      if (device?.status === 'pending') throw new Problem('device-pending')
      return db.transaction(async (tx) => {
        const session = await insertSession(tx, config.sessions, request, user.id, device?.id ?? null)
        return signIn(app, services, session, user, device)
      })
    }
  )

  app.post(
    '/auth/refresh',
    {
      config: { limit: 'auth' },
      schema: {
        operationId: 'refresh',
        tags: ['accounts'],
        summary: 'Trade a refresh token for new tokens',
        description: 'Each refresh token is good once; using one again revokes the session.',
        body: ref(RefreshRequest),
        response: { 200: ref(SignIn), ...problemResponses('invalid-refresh-token', 'session-ended') }
      }
    },
    async (request) => {
      const token = refresh.read(request.body.refreshToken)
      if (token === null) throw new Problem('invalid-refresh-token')
      const { sessionId: id, generation } = token
      const renewed = await transaction(services, async (tx) => {
        const isAlive = and(eq(sessions.id, id), gt(sessions.expiresAt, NOW))
        const [session] = await tx.select().from(sessions).where(isAlive).for('update')
        if (session === undefined) return null
        if (session.refreshGeneration !== generation) {
          await appendEvents(tx, await endSessions(tx, eq(sessions.id, id)))
          return null
        }
        const [next] = await tx
          .update(sessions)
          .set({
            refreshGeneration: sql`${sessions.refreshGeneration} + 1`,
            lastUsedAt: NOW,
            expiresAt: expiry(config.sessions, sessions.createdAt)
          })
          .where(eq(sessions.id, id))
          .returning()
        return next!
      })
      if (renewed === null) throw new Problem('session-ended')
      services.sessions.forget(id)
      const [user] = await db.select().from(users).where(eq(users.id, renewed.userId))
      guesses.know(user!.username, request)
      const device = renewed.deviceId === null ? null : await findDevice(db, renewed.userId, renewed.deviceId)
      return signIn(app, services, renewed, user!, device)
    }
  )
}

/** Hash anew under the present setting; when there is too much to do, the next log-in will. */
async function rehash({ db, passwords }: Services, userId: string, password: string): Promise<void> {
  const passwordHash = await passwords.hash(password).catch((error: unknown) => {
    if (error instanceof Problem && error.code === 'overloaded') return null
    throw error
  })
  if (passwordHash !== null) await db.update(users).set({ passwordHash }).where(eq(users.id, userId))
}

function registrationConflict(error: unknown): unknown {
  const constraint = duplicateOf(error)
  if (constraint === 'users_username_unique') return new Problem('username-taken')
  if (constraint === 'devices_pkey') return new Problem('id-conflict')
  if (constraint === 'bound_keys_pkey') return new Problem('key-in-use')
  return error
}
