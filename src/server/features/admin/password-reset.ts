import { randomBytes } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { PasswordResetLink, UserParams } from '../../../protocol/admin.js'
import { ref } from '../../../protocol/schema.js'
import { record } from '../../access/audit.js'
import { hashOfToken } from '../../access/tokens.js'
import { passwordResets } from '../../db/schema.js'
import type { App } from '../../http/app.js'
import { problemResponses } from '../../http/problem-responses.js'
import type { Services } from '../../services.js'
import { lockSubject } from './lock-subject.js'

const TOKEN_BYTES = 16
const LINK_MS = 3_600_000

/** A link for a user who has forgotten the password. */
export function passwordResetRoutes(app: App, { db }: Pick<Services, 'db'>): void {
  app.post(
    '/users/:username/password-reset',
    {
      schema: {
        operationId: 'adminResetPassword',
        summary: 'Make a token with which a user sets a new password, once and within an hour',
        description:
          'Earlier tokens of the user end. The new password opens no message: old ones need the keys of a device, or ' +
          'the key backup.',
        params: UserParams,
        response: { 201: ref(PasswordResetLink), ...problemResponses('user-not-found') }
      }
    },
    async (request, reply) => {
      const token = randomBytes(TOKEN_BYTES).toString('base64url')
      const tokenHash = hashOfToken(token)
      const expiresAt = sql`now() + ${LINK_MS} * interval '1 millisecond'`
      const row = await db.transaction(async (tx) => {
        const { actor, user } = await lockSubject(tx, request)
        const [made] = await tx
          .insert(passwordResets)
          .values({ userId: user.id, tokenHash, expiresAt })
          .onConflictDoUpdate({ target: passwordResets.userId, set: { tokenHash, expiresAt } })
          .returning()
        await record(tx, actor, { action: 'user.reset-link', subject: user.id })
        return made!
      })
      return reply.status(201).send({ token, expiresAt: row.expiresAt.toISOString() })
    }
  )
}
