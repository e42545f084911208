import { eq } from 'drizzle-orm'
import type { FastifyRequest } from 'fastify'
import { lockWithAdmins } from '../../access/accounts.js'
import type { Actor } from '../../access/audit.js'
import { userNotFound, type UserRow } from '../../chains/users.js'
import type { Tx } from '../../db/database.js'
import { users } from '../../db/schema.js'
import { Problem } from '../../http/problem.js'
import { actorIn } from './door.js'

/**
 * Lock the account that is to be changed.
 *
 * @returns who changes it, the account, and whether it is the last admin
 * @throws {Problem} `user-not-found`, also for an erased account; as `actorIn` does
 */
export async function lockSubject(
  tx: Tx,
  request: FastifyRequest<{ Params: { username: string } }>
): Promise<{ actor: Actor; user: UserRow; isLastAdmin: boolean }> {
  const username = request.params.username.toLowerCase()
  const { user = userNotFound(username), isLastAdmin } = await lockWithAdmins(
    tx,
    eq(users.username, username)
  )
  if (user.erasedAt !== null)
    throw new Problem('user-not-found', `The account ${username} is erased. Nothing can be changed.`)
  return { actor: await actorIn(tx, request), user, isLastAdmin }
}
