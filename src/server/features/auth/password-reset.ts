import { and, eq, gt, inArray, isNull, sql } from 'drizzle-orm'
import Type from 'typebox'
import { PasswordReset } from '../../../protocol/admin.js'
import { ref } from '../../../protocol/schema.js'
import { attempt } from '../../access/attempt.js'
import { record, userActor } from '../../access/audit.js'
import { networkOf, requireNoWait } from '../../access/rate-limits.js'
import { endSessions, logOutDevices } from '../../access/sessions.js'
import { hashOfToken } from '../../access/tokens.js'
import type { Db, Tx } from '../../db/database.js'
import { devices, passwordResets, sessions, users } from '../../db/schema.js'
import type { App } from '../../http/app.js'
import { problemResponses } from '../../http/problem-responses.js'
import { Problem } from '../../http/problem.js'
import { appendEvents, transaction } from '../../log/append-events.js'
import type { Services } from '../../services.js'
import { isCommonPassword } from './common-passwords.js'
import { logFailedLogin } from '../../access/login-throttle.js'

const DETAIL = 'There were too many wrong links. Wait for the time in `Retry-After`.'

type Parts = Pick<Services, 'attempts' | 'config' | 'db' | 'log' | 'logins' | 'passwords'>

/** A user sets a new password with a link that an admin of the server has made. */
export function passwordResetRoutes(app: App, services: Parts): void {
  const failures = services.attempts.of('password-resets')
  app.post(
    '/auth/password-reset',
    {
      config: { limit: 'auth' },
      schema: {
        operationId: 'resetPassword',
        tags: ['accounts'],
        summary: 'Set a new password with the token of a link',
        description:
          'All sessions end, and all devices need the new password to log in again. It opens no message: earlier ones ' +
          'need the keys of a device, or the key backup.',
        body: ref(PasswordReset),
        response: {
          204: Type.Null({ description: 'The new password is set.' }),
          ...problemResponses('weak-password', 'reset-unavailable', 'overloaded')
        }
      }
    },
    async (request, reply) => {
      const { token, newPassword } = request.body
      const username = request.body.username.toLowerCase()
      if (isCommonPassword(newPassword, username)) throw new Problem('weak-password')
      const tokenHash = hashOfToken(token)
      const network = networkOf(request)
      requireNoWait(reply, failures.wait(network), DETAIL)
      if (!(await attempt(failures, network, () => isUsable(services.db, username, tokenHash)))) {
        logFailedLogin(request, 'wrong-link')
        throw new Problem('reset-unavailable')
      }
      const passwordHash = await services.passwords.hash(newPassword)
      await transaction(services, async (tx) => {
        const userId = await setPassword(tx, { username, tokenHash, passwordHash })
        await logOutDevices(tx, eq(devices.userId, userId))
        const ended = await endSessions(tx, eq(sessions.userId, userId))
        await record(tx, userActor({ userId }, request), { action: 'user.password-reset', subject: userId })
        await appendEvents(tx, ended)
      })
      services.logins.forgive(username, request)
      return reply.status(204).send(null)
    }
  )
}

/** SQL: the link, while it may be used. */
const isLink = (tokenHash: Buffer) =>
  and(eq(passwordResets.tokenHash, tokenHash), gt(passwordResets.expiresAt, sql`now()`))

async function isUsable(db: Db, username: string, tokenHash: Buffer): Promise<boolean> {
  const rows = await db
    .select({ id: users.id })
    .from(users)
    .innerJoin(passwordResets, eq(passwordResets.userId, users.id))
    .where(and(eq(users.username, username), isNull(users.erasedAt), isLink(tokenHash)))
  return rows.length > 0
}

/** Use up the link. One of two at once gets it. @returns the user's id @throws {Problem} `reset-unavailable` */
async function setPassword(
  tx: Tx,
  { username, tokenHash, passwordHash }: { username: string; tokenHash: Buffer; passwordHash: string }
): Promise<string> {
  const owner = tx.select({ id: passwordResets.userId }).from(passwordResets).where(isLink(tokenHash))
  const [user] = await tx
    .update(users)
    .set({ passwordHash })
    .where(and(eq(users.username, username), isNull(users.erasedAt), inArray(users.id, owner)))
    .returning({ id: users.id })
  if (user === undefined) throw new Problem('reset-unavailable')
  const used = await tx.delete(passwordResets).where(isLink(tokenHash)).returning()
  if (used.length === 0) throw new Problem('reset-unavailable')
  return user.id
}
