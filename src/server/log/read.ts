import type { Database, PreparedStatement } from '../db/database.js'
import { EVENT_COLUMNS, EVENT_TABLES, toEntry, type Entry, type EventRow } from './entry.js'

/**
 * SQL: a membership has not ended at the head. Not `left_at is null`: while tables are small, PostgreSQL
 * would choose the index of current members for that, which begins with the conversation and would be
 * searched as a whole for a user's.
 */
export const isCurrent = (membership: string, head: string) =>
  `coalesce(${membership}.left_at, ${head}.last + 1) > ${head}.last`

/**
 * Events that user `$1` may see after position `$2`: at most `$3` events and, past the first, `$4` bytes. In
 * each conversation: from the event that added the user to the one that removed them, read by index; and the
 * events addressed to the user. The head is of the same snapshot: a page that holds everything is complete up
 * to the head, and `conversations` are the user's at the head.
 */
const VISIBLE: PreparedStatement = {
  name: 'visible',
  text: `
with visible as materialized (
  select position from (
    (select x.position from memberships m cross join lateral (
       select e.position from events e
       where e.conversation_id = m.conversation_id
         and e.position > greatest($2::bigint, m.joined_at - 1)
         and e.position <= coalesce(m.left_at, 9223372036854775807)
       order by e.position limit $3
     ) x where m.user_id = $1::uuid and coalesce(m.left_at, 9223372036854775807) > $2::bigint)
    union all
    (select r.position from event_recipients r
     where r.user_id = $1::uuid and r.position > $2::bigint order by r.position limit $3)
  ) p order by position limit $3
),
fitting as materialized (
  select * from (
    select e.*,
      sum(coalesce(octet_length(e.ciphertext), octet_length(e.data::text))) over (order by e.position)
        - coalesce(octet_length(e.ciphertext), octet_length(e.data::text)) as bytes_before
    from visible v join events e on e.position = v.position
  ) s where bytes_before < $4::bigint
)
select h.last as head,
  case when (select count(*) from visible) < $3 and (select count(*) from fitting) = (select count(*) from visible)
    then array(select m.conversation_id from memberships m where m.user_id = $1::uuid and ${isCurrent('m', 'h')})
  end as conversations,
  page.*
from log_head h left join (
  select ${EVENT_COLUMNS}
  from fitting e ${EVENT_TABLES}
) page on true
order by page.position`
}

export interface VisiblePage {
  entries: readonly Entry[]
  /** The last position of this page, or of the log if the page holds everything. */
  through: number
  /** The user's conversations at `through`; null while there is more to read. */
  conversations: string[] | null
}

/** One page of the events that a user may see after `position`, oldest first. */
export async function readVisible(
  prepared: Database['prepared'],
  userId: string,
  position: number,
  { events, bytes }: { events: number; bytes: number }
): Promise<VisiblePage> {
  const rows = await prepared<EventRow & { head: string; conversations: string[] | null }>(VISIBLE, [
    userId,
    position,
    events,
    bytes
  ])
  const { head, conversations } = rows[0]!
  // The one row of an empty page has no event.
  const entries = (rows[0]!.position as number | null) === null ? [] : rows.map(toEntry)
  return {
    entries,
    through: conversations === null ? entries.at(-1)!.position : Math.max(Number(head), position),
    conversations
  }
}

/** All events after `$1`, with the users they concern. */
const ALL: PreparedStatement = {
  name: 'all',
  text: `
select ${EVENT_COLUMNS},
  case when e.type <> 'message' and e.conversation_id is null then array(
    select r.user_id from event_recipients r where r.position = e.position) end as recipients,
  e.added_users as joined, e.removed_users as "left"
from events e ${EVENT_TABLES}
where e.position > $1 order by e.position limit $2`
}

/** One page of the whole log after `position`. */
export async function readAll(
  prepared: Database['prepared'],
  position: number,
  limit: number
): Promise<Entry[]> {
  return (await prepared<EventRow>(ALL, [position, limit])).map(toEntry)
}

const BOUNDS: PreparedStatement = {
  name: 'bounds',
  text: `
select h.last, h.epoch,
  coalesce((select position from events order by position limit 1), h.last + 1) as oldest
from log_head h`
}

export interface Bounds {
  epoch: string
  last: number
  /** Position of the oldest event that is kept; `last + 1` in an empty log. */
  oldest: number
}

export async function readBounds(prepared: Database['prepared']): Promise<Bounds> {
  const [row] = await prepared<{ last: string; epoch: string; oldest: string }>(BOUNDS, [])
  return { epoch: row!.epoch, last: Number(row!.last), oldest: Number(row!.oldest) }
}
