import { sql } from 'drizzle-orm'
import type { Tx } from '../db/database.js'
import { lockUserChains } from './user-chain-lock.js'
import { dropWrapsOfGoneDevices } from './wraps.js'

/** A new device makes session keys out of date only after this number of minutes. Until then it gets later wraps. */
export const ADDED_DEVICE_MINUTES = 5

/**
 * Mark the session keys of all conversations of a user as out of date, because the user's chain has a new
 * statement, and drop the wraps of devices that are gone. Call this in the transaction that extends the chain,
 * before it appends its events.
 *
 * Changes of conversations wait from here until the transaction ends. So none of them can have read the chain as
 * it was and get a later position.
 *
 * @param afterMinutes for an added device: `ADDED_DEVICE_MINUTES`
 */
export async function requireRekey(
  tx: Tx,
  userId: string,
  { afterMinutes = 0 }: { afterMinutes?: number } = {}
): Promise<void> {
  await dropWrapsOfGoneDevices(tx, userId)
  await lockUserChains(tx)
  await tx.execute(sql`
with due as (
  select c.id, now() + ${afterMinutes}::int * interval '1 minute' as at
  from memberships m join conversations c on c.id = m.conversation_id
  where m.user_id = ${userId}::uuid and m.left_at is null
    and (c.outdated_at is null or c.outdated_at > now() + ${afterMinutes}::int * interval '1 minute')
  order by c.id for no key update of c
)
update conversations c set outdated_at = due.at from due where c.id = due.id`)
}

/** SQL: the bytes of the modulus of the RSA key in a canonical SPKI PEM, known from its length. */
export const modulusBytes = (pem: string) =>
  `case when length(${pem}) > 700 then 512 when length(${pem}) > 500 then 384 else 256 end`
