import { eq, sql } from 'drizzle-orm'
import type { Db, Tx } from '../db/database.js'
import { invites, users } from '../db/schema.js'
import { createInvite, FIRST_ACCOUNT_INVITE } from './invites.js'

/** The advisory lock of the first registration: an arbitrary constant of this program. */
const FIRST_ACCOUNT = 5_381_904_127_004n
const DAYS = 7

/** Whether the server has no account yet. Others who ask at the same time wait for the end of this transaction. */
export async function isFirstAccount(tx: Tx): Promise<boolean> {
  if (await hasUsers(tx)) return false
  await tx.execute(sql`select pg_advisory_xact_lock(${FIRST_ACCOUNT}::bigint)`)
  return !(await hasUsers(tx))
}

/**
 * An invitation for the first account, which is an admin's. It takes the place of the one that an earlier start has
 * made, and is void once there is an account.
 *
 * @returns its token; null if there is an account
 */
export async function inviteFirstAccount(db: Db): Promise<string | null> {
  return db.transaction(async (tx) => {
    if (!(await isFirstAccount(tx))) return null
    await tx.delete(invites).where(eq(invites.id, FIRST_ACCOUNT_INVITE))
    const invite = {
      id: FIRST_ACCOUNT_INVITE,
      createdBy: null,
      note: 'The first account',
      maxUses: 1,
      days: DAYS,
      kind: 'member',
      role: 'admin'
    } as const
    return (await createInvite(tx, invite)).token
  })
}

async function hasUsers(db: Db): Promise<boolean> {
  return (await db.select({ id: users.id }).from(users).limit(1)).length > 0
}
