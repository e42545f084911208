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

/** Person by person: a join that is planned while the tables are small compares all memberships with all of these users. */
const PLACES: PreparedStatement = {
  name: 'presence-places',
  text: `
select u.id, u.username, joined.conversations, array(
  select blocked_id from blocks where user_id = u.id union select user_id from blocks where blocked_id = u.id
) as hidden
from unnest(${listOf(1)}::uuid[]) as i(id)
join users u on u.id = i.id
cross join lateral (
  select array_agg(m.conversation_id) as conversations
  from memberships m join conversations c on c.id = m.conversation_id and c.member_count <= $2::int
  where m.user_id = u.id and m.left_at is null and m.requested_by is null
) joined
where joined.conversations is not null`
}

export interface Place {
  id: string
  username: string
  conversations: string[]
  /** Ids of those whom the user has blocked, or who have blocked the user. */
  hidden: string[]
}

/** The conversations of users, except larger groups, requests, and users who are in none. */
export function readPlaces(
  prepared: Database['prepared'],
  userIds: readonly string[],
  largestGroup: number
): Promise<Place[]> {
  return prepared(PLACES, [userIds.join(','), largestGroup])
}

/** Person by person, as `PLACES`. */
const REQUESTS: PreparedStatement = {
  name: 'presence-requests',
  text: `
select i.id as "userId", waiting.conversations
from unnest(${listOf(1)}::uuid[]) as i(id)
cross join lateral (
  select array_agg(m.conversation_id) as conversations from memberships m
  where m.user_id = i.id and m.left_at is null and m.requested_by is not null
) waiting
where waiting.conversations is not null`
}

/** For each of some users, the conversations that they have not accepted. */
export async function readRequests(
  prepared: Database['prepared'],
  userIds: readonly string[]
): Promise<Map<string, Set<string>>> {
  if (userIds.length === 0) return new Map()
  const rows = await prepared<{ userId: string; conversations: string[] }>(REQUESTS, [userIds.join(',')])
  return new Map(rows.map(({ userId, conversations }) => [userId, new Set(conversations)]))
}

/** Usernames out of `usernames` of the user's contacts, and of the user. A hidden one is shown as offline. */
const CONTACTS: PreparedStatement = {
  name: 'presence-contacts',
  text: `
select u.id as "userId", u.username, exists (
  select from blocks b
  where b.user_id = u.id and b.blocked_id = $1::uuid or b.user_id = $1::uuid and b.blocked_id = u.id
) as "isHidden"
from users u
where u.username = any (${listOf(2)}::text[]) and u.erased_at is null and (u.id = $1::uuid or exists (
  select from memberships mine join memberships theirs on theirs.conversation_id = mine.conversation_id
  where mine.user_id = $1::uuid and mine.left_at is null and mine.requested_by is null
    and theirs.user_id = u.id and theirs.left_at is null and theirs.requested_by is null))
order by u.username`
}

/** The named users who share a conversation with the user that both have accepted, and the user. */
export function readContacts(
  prepared: Database['prepared'],
  userId: string,
  usernames: readonly string[]
): Promise<{ userId: string; username: string; isHidden: boolean }[]> {
  return prepared(CONTACTS, [userId, usernames.join(',')])
}
