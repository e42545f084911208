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
 * Try a password for a name, when its turn has come. Nobody learns whether the name exists.
 *
 * @returns the user, as they were before the password was tried
 * @throws {Problem} `too-many-requests`, `overloaded`
 */
export async function tryPassword(
  { db, logins, passwords }: Parts,
  request: FastifyRequest,
  reply: FastifyReply,
  username: string,
  password: string
): Promise<{ user: typeof users.$inferSelect | null; ok: boolean; outdated: boolean }> {
  logins.requireAttempt(username, request, reply)
  return passwords.inLine(async ({ verify }) => {
    const user = await findUser(db, username)
    const tried = () => verify(password, user?.passwordHash ?? null)
    return { user, ...(await logins.attempt(username, request, reply, tried)) }
  })
}

/**
 * Check the password of somebody who is logged in. A wrong one counts as it does at the log-in.
 *
 * @returns the user, as they were when the password was read
 * @throws {Problem} `wrong-password`, `too-many-requests`, `overloaded`
 */
export async function requireOwnPassword(
  parts: Parts,
  request: FastifyRequest,
  reply: FastifyReply,
  username: string,
  password: string
): Promise<typeof users.$inferSelect> {
  const { user, ok } = await tryPassword(parts, request, reply, username, password)
  if (ok && user !== null) return user
  logFailedLogin(request, 'wrong-password')
  throw new Problem('wrong-password')
}
