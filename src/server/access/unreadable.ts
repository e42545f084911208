import { sql, type SQL } from 'drizzle-orm'
import type { Db, Tx } from '../db/database.js'
import { arrayOf, rows } from '../db/rows.js'
import { eraseEvents } from '../log/erase-events.js'
import { AT_ONCE, deletePiece, type Pieces } from './erasure-pieces.js'

/** Conversations that are looked at together. */
const CONVERSATIONS = 200

/** A conversation without a member who has an account. */
interface Abandoned {
  id: string
  /** Until where former members who have an account may read it; 0 if there are none. */
  until: number
}

/**
 * Erase what nobody may read any more in the conversations in which an erased user is or was: all of it if nobody who
 * is or was a member has an account, and else what came after the last one of them left. Nobody can come in any more:
 * the server takes no request from erased users.
 */
export async function eraseUnreadable(db: Db, userId: string, pieces: Pieces): Promise<void> {
  for (let after = '00000000-0000-0000-0000-000000000000'; ;) {
    const page = await conversationsAfter(db, userId, after)
    if (page.length === 0) return
    const abandoned = await readableUntil(
      db,
      page.filter(({ isAbandoned }) => isAbandoned).map(({ id }) => id)
    )
    await pieces((tx) => eraseEvents(tx, eventsOf(abandoned)))
    const gone = abandoned.filter(({ until }) => until === 0)
    if (gone.length > 0) await eraseConversations(gone, userId, pieces)
    after = page.at(-1)!.id
  }
}

function conversationsAfter(
  db: Db,
  userId: string,
  after: string
): Promise<{ id: string; isAbandoned: boolean }[]> {
  return rows(
    db,
    sql`
select id, not exists (
    select from memberships m join users u on u.id = m.user_id
    where m.conversation_id = mine.id and m.left_at is null and u.erased_at is null) as "isAbandoned"
from (
  select distinct conversation_id as id from memberships
  where user_id = ${userId}::uuid and conversation_id > ${after}::uuid order by 1 limit ${CONVERSATIONS}::int
) mine order by id`
  )
}

/** No index leads from a conversation to its former members: the table is read once for all of these. */
async function readableUntil(db: Db, ids: readonly string[]): Promise<Abandoned[]> {
  if (ids.length === 0) return []
  const found = await rows<Abandoned>(
    db,
    sql`
select m.conversation_id as id, max(m.left_at)::float8 as until from memberships m join users u on u.id = m.user_id
where m.conversation_id = any (${arrayOf(ids)}::uuid[]) and m.left_at is not null and u.erased_at is null
group by m.conversation_id`
  )
  const untils = new Map(found.map(({ id, until }) => [id, until]))
  return ids.map((id) => ({ id, until: untils.get(id) ?? 0 }))
}

/** SQL: positions of events that nobody may read. */
function eventsOf(conversations: readonly Abandoned[]): SQL {
  const ids = arrayOf(conversations.map(({ id }) => id))
  const untils = arrayOf(conversations.map(({ until }) => until))
  return sql`
select e.position from unnest(${ids}::uuid[], ${untils}::bigint[]) as c(id, until)
join events e on e.conversation_id = c.id and e.position > c.until limit ${AT_ONCE}::int`
}

/** The own membership goes last: by it the next sweep finds what is left. */
async function eraseConversations(gone: readonly Abandoned[], userId: string, pieces: Pieces): Promise<void> {
  const ids = sql`${arrayOf(gone.map(({ id }) => id))}::uuid[]`
  const rowsOf = (table: string) => sql`from ${sql.raw(table)} x where x.conversation_id = any (${ids})`
  for (const table of ['session_key_wraps', 'added_wraps'])
    await pieces((tx) =>
      deletePiece(
        tx,
        table,
        sql`
select x.ctid from session_keys k join ${sql.raw(table)} x on x.session_key_id = k.id
where k.conversation_id = any (${ids})`
      )
    )
  for (const table of ['session_keys', 'conversation_statements'])
    await pieces((tx) => deletePiece(tx, table, sql`select x.ctid ${rowsOf(table)}`))
  const others = sql`select x.ctid ${rowsOf('memberships')} and x.user_id <> ${userId}::uuid`
  await pieces((tx) => deletePiece(tx, 'memberships', others))
  await pieces((tx) => deleteConversations(tx, ids, gone, userId))
}

/** Under the locks no message comes in any more: those that came meanwhile go first. */
async function deleteConversations(
  tx: Tx,
  ids: SQL,
  gone: readonly Abandoned[],
  userId: string
): Promise<number> {
  await tx.execute(sql`select from conversations where id = any (${ids}) order by id for update`)
  const erased = await eraseEvents(tx, eventsOf(gone))
  if (erased >= AT_ONCE) return erased
  await tx.execute(
    sql`delete from memberships where user_id = ${userId}::uuid and conversation_id = any (${ids})`
  )
  await tx.execute(sql`delete from conversations where id = any (${ids})`)
  return 0
}
