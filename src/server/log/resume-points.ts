import { listOf } from '../db/prepared.js'
import type { Database, PreparedStatement } from '../db/database.js'
import { isCurrent } from './read.js'

/** A user who has read the log up to a position and wants to go on. */
export interface ResumeRequest {
  userId: string
  /** Any number above the log's last position stands for its end. */
  after: number
}

export interface ResumePoint {
  /** The log's last position, of the same snapshot as the rest. */
  last: number
  /** Position of the oldest event that is kept; `last + 1` in an empty log. */
  oldest: number
  /**
   * The user's conversations at `last` if no event since `after` concerns them; otherwise null, and they read
   * pages.
   */
  conversations: string[] | null
}

/**
 * Resolve the resume points of many readers in one statement. For each conversation, probe the index for one
 * event after the cursor, and stop at the first hit. Whole rows are compared because only the right index can
 * answer that: a plan that was made while the tables were small is kept when they have grown.
 */
const RESUME_POINTS: PreparedStatement = {
  name: 'resume-points',
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

/** @returns a point for each request, in their order */
export async function readResumePoints(
  prepared: Database['prepared'],
  requests: readonly ResumeRequest[]
): Promise<ResumePoint[]> {
  const rows = await prepared<{ last: string; oldest: string; conversations: string[] | null }>(
    RESUME_POINTS,
    [requests.map(({ userId }) => userId).join(','), requests.map(({ after }) => after).join(',')]
  )
  return rows.map(({ last, oldest, conversations }) => ({
    last: Number(last),
    oldest: Number(oldest),
    conversations
  }))
}
