import { sql } from 'drizzle-orm'
import { lockOwnAccount } from '../../access/accounts.js'
import type { DeviceSession } from '../../access/auth.js'
import { requireMember } from '../../chains/memberships.js'
import type { Tx } from '../../db/database.js'
import { rows } from '../../db/rows.js'
import { Problem } from '../../http/problem.js'
import { appendEvents } from '../../log/append-events.js'

/** Accept a request; nothing if there is none (any more). @throws {Problem} `conversation-not-found` */
export async function acceptRequest(tx: Tx, session: DeviceSession, id: string): Promise<void> {
  const { id: userId } = await lockOwnAccount(tx, session)
  // A departure takes the counter of the log before the row of the membership. So both wait here.
  await tx.execute(sql`select from conversations where id = ${id}::uuid for share`)
  const accepted = await rows(
    tx,
    sql`
update memberships set requested_by = null
where conversation_id = ${id}::uuid and user_id = ${userId}::uuid and left_at is null and requested_by is not null
returning 1`
  )
  if (accepted.length === 0) await requireMember(tx, id, userId)
  else
    await appendEvents(tx, [
      { type: 'request.accepted', data: { conversationId: id }, to: { users: [userId] } }
    ])
}

/**
 * Decline a request in a direct conversation, which nobody can leave. It stays unaccepted: the member stands in the
 * place of whoever has sent it.
 *
 * @throws {Problem} `conversation-not-found`, or `forbidden` if it is no such request
 */
export async function declineRequest(tx: Tx, session: DeviceSession, id: string): Promise<void> {
  const { id: userId } = await lockOwnAccount(tx, session)
  const { kind } = await requireMember(tx, id, userId)
  const declined = await rows(
    tx,
    sql`
update memberships set requested_by = user_id
where conversation_id = ${id}::uuid and user_id = ${userId}::uuid and left_at is null and requested_by is not null
  and ${kind === 'direct'}::boolean
returning 1`
  )
  if (declined.length === 0)
    throw new Problem(
      'forbidden',
      'This is no request in a direct conversation. To decline a group, leave it.'
    )
}
