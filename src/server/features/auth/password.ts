import { and, eq, ne } from 'drizzle-orm'
import Type from 'typebox'
import { PasswordChange } from '../../../protocol/own-account.js'
import { ref } from '../../../protocol/schema.js'
import { sessionOf } from '../../access/auth.js'
import { lockOwnAccount } from '../../access/accounts.js'
import { requireOwnPassword } from '../../access/try-password.js'
import { endSessions, type ActiveSession } from '../../access/sessions.js'
import type { Tx } from '../../db/database.js'
import { passwordResets, sessions, users } from '../../db/schema.js'
import type { App } from '../../http/app.js'
import { problemResponses } from '../../http/problem-responses.js'
import { Problem } from '../../http/problem.js'
import { appendEvents, transaction } from '../../log/append-events.js'
import type { Services } from '../../services.js'
import { isCommonPassword } from './common-passwords.js'

/** The change of the own password. */
export function passwordRoutes(
  app: App,
  services: Pick<Services, 'db' | 'log' | 'logins' | 'passwords'>
): void {
  app.post(
    '/auth/password',
    {
      // A device that was stolen must not hold it up.
      config: { limit: 'auth', share: 0 },
      schema: {
        operationId: 'changePassword',
        tags: ['accounts'],
        summary: 'Change the password',
        description:
          'All other sessions end. Other devices may begin new ones with their keys: revoke those that are not ' +
          'in good hands. A wrong `currentPassword` counts as a failed log-in.',
        body: ref(PasswordChange),
        response: {
          204: Type.Null({ description: 'The new password is in force.' }),
          ...problemResponses('weak-password', 'wrong-password', 'overloaded')
        }
      }
    },
    async (request, reply) => {
      const session = sessionOf(request)
      const { currentPassword, newPassword } = request.body
      if (isCommonPassword(newPassword, session.username)) throw new Problem('weak-password')
      const user = await requireOwnPassword(services, request, reply, session.username, currentPassword)
      const passwordHash = await services.passwords.hash(newPassword)
      await transaction(services, (tx) => changePassword(tx, session, user.passwordHash, passwordHash))
      return reply.status(204).send(null)
    }
  )
}

/** @param was the hash of the password that was found right: another change may have been faster */
async function changePassword(
  tx: Tx,
  session: ActiveSession,
  was: string | null,
  passwordHash: string
): Promise<void> {
  const { id, userId } = session
  const user = await lockOwnAccount(tx, session)
  if (user.passwordHash !== was) throw new Problem('wrong-password')
  await tx.update(users).set({ passwordHash }).where(eq(users.id, userId))
  // A link for a new password that somebody was given before must not undo this.
  await tx.delete(passwordResets).where(eq(passwordResets.userId, userId))
  const others = and(eq(sessions.userId, userId), ne(sessions.id, id))!
  await appendEvents(tx, await endSessions(tx, others))
}
