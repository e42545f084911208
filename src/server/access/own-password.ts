import type { FastifyReply, FastifyRequest } from 'fastify'
import { findUser } from '../chains/users.js'
import type { Db } from '../db/database.js'
import type { users } from '../db/schema.js'
import { Problem } from '../http/problem.js'
import { logFailedLogin, type LoginThrottle } from './login-throttle.js'
import type { Passwords } from './passwords.js'

interface Parts {
  db: Db
  logins: LoginThrottle
  passwords: Passwords
}

/**
 * Check the password of somebody who is logged in. A wrong one counts as it does at the log-in.
 *
 * @returns the user, as they were when the password was read
 * @throws {Problem} `wrong-password`, `too-many-requests`
 */
export async function requireOwnPassword(
  { db, logins, passwords }: Parts,
  request: FastifyRequest,
  reply: FastifyReply,
  username: string,
  password: string
): Promise<typeof users.$inferSelect> {
  const user = await findUser(db, username)
  const { ok } = await logins.attempt(username, request, reply, () =>
    passwords.verify(password, user?.passwordHash ?? null)
  )
  if (ok && user !== null) return user
  logFailedLogin(request, 'wrong-password')
  throw new Problem('wrong-password')
}
