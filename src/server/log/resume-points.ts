import { listOf } from '../db/prepared.js'
import type { Database, PreparedStatement } from '../db/database.js'
import { isCurrent } from './read.js'

/** Somebody who has read the log up to a position, and wants to go on. */
export interface ResumeRequest {
  userId: string
  /** Above the log's last position for its end. */
  after: number
}

export interface ResumePoint {
  /** The log's last position, of the same snapshot as all that stands here. */
  last: number
  /** Position of the oldest event that is kept; `last + 1` in an empty log. */
  oldest: number
  /** The user's conversations at `last`, if nothing after `after` concerns him; else null, and he reads pages. */
  conversations: string[] | null
}

/**
 * Where many readers begin, in one statement. Whether somebody has missed something is a look-up by index in each of
 * his conversations, which ends at the first that says yes. Rows are compared as a whole because only the right index
 * answers that: a plan that is made while the tables are small is kept when they have grown.
 */
const RESUME_POINTS: PreparedStatement = {
  name: 'beginnings',
  text: `
select h.last,
  coalesce((select position from events order by position limit 1), h.last + 1) as oldest,
  case when i.after >= h.last or not (
    exists (
      select 1 from event_recipients r
      where (r.user_id, r.position) > (i.user_id, i.after) and (r.user_id, r.position) <= (i.user_id, h.last)
    )
    or exists (
      select 1 from memberships m cross join lateral (
        select 1 from events e
        where (e.conversation_id, e.position) > (m.conversation_id, greatest(i.after, m.joined_at - 1))
          and (e.conversation_id, e.position) <= (m.conversation_id, coalesce(m.left_at, h.last))
        limit 1
      ) missed
      where m.user_id = i.user_id and coalesce(m.left_at, h.last) > i.after
    )
  ) then array(
    select m.conversation_id from memberships m where m.user_id = i.user_id and ${isCurrent('m', 'h')}
  ) end as conversations
from unnest(${listOf(1)}::uuid[], ${listOf(2)}::bigint[]) with ordinality as i(user_id, after, n) cross join log_head h
order by i.n`
}

/** @returns an answer for each of the askers, in their order */
export async function readResumePoints(
  hot: Database['prepared'],
  askers: readonly ResumeRequest[]
): Promise<ResumePoint[]> {
  const rows = await hot<{ last: string; oldest: string; conversations: string[] | null }>(RESUME_POINTS, [
    askers.map(({ userId }) => userId).join(','),
    askers.map(({ after }) => after).join(',')
  ])
  return rows.map(({ last, oldest, conversations }) => ({
    last: Number(last),
    oldest: Number(oldest),
    conversations
  }))
}
