import { sql } from 'drizzle-orm'
import { SHOWN_MEMBERS, type Conversation, type Member } from '../../../protocol/conversations.js'
import type { ConversationKind, Role } from '../../../protocol/statements.js'
import type { Database, Db, PreparedStatement } from '../../db/database.js'
import { rows } from '../../db/rows.js'
import { Problem } from '../../http/problem.js'
import { asNumber, isoTime } from '../../log/entry.js'

/** Most members that a page of conversations shows in all. A page takes some 2 ms, in which calls of others wait. */
const MEMBERS_PER_PAGE = 250

interface ConversationRow {
  id: string
  kind: ConversationKind
  role: Role
  joinedAt: number
  memberCount: number
  head: string
  sequence: number
  sessionKeyId: string
  key: string
  rekeyRequired: boolean
  messageTtl: number
  requestedBy: string | null
  isDeclined: boolean | null
  lastPosition: number
  createdAt: string
  members: string | null
  /** Conversations that were read for the page: it may end before. */
  read: number
}

/** SQL: whether the session key of conversation `c` is out of date. */
export const rekeyRequired = `coalesce(c.outdated_at <= now(), false)`

/**
 * The first members of conversation `c`. Read by index, so the conversation's size does not matter. As text: as JSON they
 * would take PostgreSQL twice as long. `toMembers` reads it.
 */
const firstMembers = `
select string_agg(concat_ws(' ', u.username, m.role, m.root, m.joined_at, u.erased_at is not null), ','
                  order by m.joined_at, m.place) as members
from (
  select * from memberships m where m.conversation_id = c.id and m.left_at is null
  order by m.joined_at, m.place limit ${SHOWN_MEMBERS}::int
) m join users u on u.id = m.user_id`

const lastPosition = `(
  select ${asNumber('e.position')} from events e where e.conversation_id = c.id order by e.position desc limit 1
)`

/** SQL: who has sent the request that `page` is. A declined one is direct, and names the user in the place of them. */
const requester = `(
  select u.username from users u where page.requested_by is not null and u.id = case
    when page.requested_by <> page.user_id then page.requested_by
    else (select m.user_id from memberships m
          where m.conversation_id = c.id and m.left_at is null and m.user_id <> page.user_id limit 1)
  end
)`

/**
 * Conversations of user `$1`, the last joined first: those of them that `which` selects by `$2` from memberships `mine`,
 * `$3` at most. The page ends early if it would show too many members.
 */
const conversationsOf = (name: string, which: string): PreparedStatement => ({
  name,
  text: `
select c.id, c.kind, page.role, ${asNumber('page.joined_at')} as "joinedAt",
  c.member_count as "memberCount", c.chain_head as head, c.chain_sequence as sequence,
  c.session_key_id as "sessionKeyId", k.hash as key, ${rekeyRequired} as "rekeyRequired",
  c.message_ttl as "messageTtl",
  ${requester} as "requestedBy", page.requested_by = page.user_id as "isDeclined", ${lastPosition} as "lastPosition",
  ${isoTime('c.created_at')} as "createdAt", first.members, page.read
from (
  select mine.*, count(*) over ()::int as read,
    sum(least(c.member_count, ${SHOWN_MEMBERS}::int)) over (order by mine.joined_at desc) as members
  from (
    select conversation_id, user_id, role, joined_at, requested_by from memberships mine
    where mine.user_id = $1::uuid and mine.left_at is null and ${which}
    order by joined_at desc limit $3::int
  ) mine join conversations c on c.id = mine.conversation_id
) page
join conversations c on c.id = page.conversation_id
join session_keys k on k.id = c.session_key_id
cross join lateral (${firstMembers}) first
where page.members <= ${MEMBERS_PER_PAGE}::int
order by page.joined_at desc`
})

// Planned once for each connection, not for each list.
const ONE = conversationsOf('conversation', 'mine.conversation_id = $2::uuid')
const PAGE = conversationsOf('conversation-page', 'mine.joined_at < $2::bigint')

/** A member's parts are separated by spaces, and members by commas, which none of the parts can hold. */
function toMembers(text: string | null): Member[] {
  if (text === null) return []
  return text.split(',').map((member) => {
    const [username, role, root, joinedAt, erased] = member.split(' ') as [
      string,
      Role,
      string,
      string,
      't' | 'f'
    ]
    return { username, role, root, joinedAt: Number(joinedAt), erased: erased === 't' }
  })
}

function toConversation(row: ConversationRow): Conversation {
  const { id, kind, role, memberCount, members, head, sequence, sessionKeyId, key } = row
  const { rekeyRequired, messageTtl, requestedBy, isDeclined, lastPosition: last, createdAt } = row
  const current = { head, sequence, sessionKeyId, key, rekeyRequired, messageTtl }
  const request = requestedBy === null ? null : { by: requestedBy, declined: isDeclined! }
  return {
    id,
    kind,
    role,
    memberCount,
    members: toMembers(members),
    ...current,
    request,
    lastPosition: last,
    createdAt
  }
}

/** A conversation of the user. @throws {Problem} `conversation-not-found` */
export async function readConversation(
  prepared: Database['prepared'],
  userId: string,
  id: string
): Promise<Conversation> {
  const [row] = await prepared<ConversationRow>(ONE, [userId, id, 1])
  if (row === undefined) throw new Problem('conversation-not-found')
  return toConversation(row)
}

/** A page of a user's conversations, the last joined first: those joined before a position. */
export async function readConversationPage(
  prepared: Database['prepared'],
  userId: string,
  before: number,
  limit: number
): Promise<{ items: Conversation[]; next: string | null }> {
  const found = await prepared<ConversationRow>(PAGE, [userId, before, limit + 1])
  const page = found.slice(0, limit)
  const hasMore = page.length < (found[0]?.read ?? 0)
  return { items: page.map(toConversation), next: hasMore ? String(page.at(-1)!.joinedAt) : null }
}

/** A place in the order in which members joined. */
export interface MemberPlace {
  joinedAt: number
  place: number
}

/** SQL: memberships `m` after a place. */
export const after = ({ joinedAt, place }: MemberPlace) =>
  sql`(m.joined_at, m.place) > (${joinedAt}::bigint, ${place}::int)`

/** The members of a conversation after a place, in the order in which they joined. */
export function readMemberPage(
  db: Db,
  conversationId: string,
  place: MemberPlace,
  limit: number
): Promise<(Member & MemberPlace)[]> {
  return rows(
    db,
    sql`
select u.username, m.role, m.root, ${sql.raw(asNumber('m.joined_at'))} as "joinedAt",
  u.erased_at is not null as erased, m.place
from memberships m join users u on u.id = m.user_id
where m.conversation_id = ${conversationId}::uuid and m.left_at is null and ${after(place)}
order by m.joined_at, m.place limit ${limit}::int`
  )
}
