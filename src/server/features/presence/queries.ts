import { listOf } from '../../db/prepared.js'
import type { Database, PreparedStatement } from '../../db/database.js'

/** One statement for any number of users: with a parameter for each value, 65,535 would be the limit. */
const WRITE: PreparedStatement = {
  name: 'presence-write',
  text: `
with own as (
  update processes set version = version + 1 where id = $1::uuid returning id, version
),
written as (
  insert into presence (process_id, user_id, online, version)
  select own.id, c.user_id, c.online, own.version
  from unnest(${listOf(2)}::uuid[], ${listOf(3)}::boolean[]) as c(user_id, online), own
  on conflict (process_id, user_id) do update set online = excluded.online, version = excluded.version
)
select 1 from own`
}

/** Write changes with the process' next version. @returns false if the process has lost its lease */
export async function writePresence(
  prepared: Database['prepared'],
  processId: string,
  changes: readonly (readonly [userId: string, online: boolean])[]
): Promise<boolean> {
  const users = changes.map(([userId]) => userId).join(',')
  const states = changes.map(([, online]) => online).join(',')
  return (await prepared(WRITE, [processId, users, states])).length > 0
}

const PLACES: PreparedStatement = {
  name: 'presence-places',
  text: `
select u.id, u.username, array_agg(m.conversation_id) as conversations
from unnest(${listOf(1)}::uuid[]) as i(id)
join users u on u.id = i.id join memberships m on m.user_id = u.id and m.left_at is null
join conversations c on c.id = m.conversation_id and c.member_count <= $2::int
group by u.id, u.username`
}

/** The conversations of users, except larger groups and users who are in none. */
export function readPlaces(
  prepared: Database['prepared'],
  userIds: readonly string[],
  largestGroup: number
): Promise<{ id: string; username: string; conversations: string[] }[]> {
  return prepared(PLACES, [userIds.join(','), largestGroup])
}
