import { eq } from 'drizzle-orm'
import { lockWithAdmins, type UserRow } from '../../access/accounts.js'
import { findUser } from '../../chains/users.js'
import type { Db, Tx } from '../../db/database.js'
import { users } from '../../db/schema.js'
import { Problem } from '../../http/problem.js'

/** @throws {Problem} `user-not-found` */
export async function requireUser(db: Db, name: string): Promise<UserRow> {
  const username = name.toLowerCase()
  return (await findUser(db, username)) ?? notFound(username)
}

/**
 * Lock an account that is to be changed.
 *
 * @returns the account, and whether it is the last admin
 * @throws {Problem} `user-not-found`, also for an erased account
 */
export async function lockUser(tx: Tx, name: string): Promise<{ user: UserRow; isLastAdmin: boolean }> {
  const username = name.toLowerCase()
  const { user = notFound(username), isLastAdmin } = await lockWithAdmins(tx, eq(users.username, username))
  if (user.erasedAt !== null)
    throw new Problem('user-not-found', `The account ${username} is erased. Nothing can be changed.`)
  return { user, isLastAdmin }
}

function notFound(username: string): never {
  throw new Problem('user-not-found', `There is no user ${username}.`)
}
