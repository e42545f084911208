import { sql } from 'drizzle-orm'
import type { ContactPolicy } from '../../../protocol/accounts.js'
import type { DeviceSession } from '../../access/auth.js'
import type { Spend } from '../../access/daily-budget.js'
import type { Config } from '../../config.js'
import type { Tx } from '../../db/database.js'
import { arrayOf, rows } from '../../db/rows.js'
import { Problem } from '../../http/problem.js'
import type { DailyBudgets } from './daily-budgets.js'
import type { Judged } from './judge.js'
import type { KnownUsers } from './read-current-users.js'
import type { StoredChain } from './stored-chain.js'

export interface ContactRules {
  bounds: Config['contacts']
  daily: DailyBudgets
}

/** Somebody who joins, as they stand to the user who makes the request. */
interface Joining {
  userId: string
  username: string
  policy: ContactPolicy
  isBlocking: boolean
  /** Whether both are in a conversation that both have accepted, or one came by an invitation of the other. */
  isKnown: boolean
  /** Conversations that the user has accepted, and requests that wait; no more are counted than the bounds allow. */
  conversations: number
  requests: number
}

/**
 * Whether those who join a conversation take it from this user.
 *
 * @returns the ids of the users for whom it is a request
 * @throws {Problem} `contact-refused`, `limit-reached`, or `too-many-requests` with `Retry-After`
 */
export async function requireContact(
  tx: Tx,
  session: DeviceSession,
  stored: StoredChain | null,
  { users }: KnownUsers,
  { chain: { kind, members } }: Judged,
  { bounds, daily }: ContactRules,
  spend: Spend
): Promise<Set<string>> {
  const names = [...members.keys()].filter((username) => stored?.members.has(username) !== true)
  if (names.length === 0) return new Set()
  const ids = names.map((username) => users.user(username).userId)
  const joining = await readJoining(tx, session.userId, ids, bounds)
  const others = joining.filter(({ userId }) => userId !== session.userId)
  const refusing = others.find(({ isBlocking, policy }) => isBlocking || policy === 'nobody')
  if (refusing !== undefined) throw refused(refusing)
  const requested = others.filter(({ policy, isKnown }) => policy === 'requests' && !isKnown)
  requireFree(joining, requested, session, bounds)
  daily.spend(spend, session.userId, {
    groups: stored === null && kind === 'group' ? 1 : 0,
    requests: requested.length
  })
  return new Set(requested.map(({ userId }) => userId))
}

/**
 * The same for a user who blocks and for one who takes no conversations, also from those whom they know: nobody learns
 * that they are blocked.
 */
function refused({ username }: Joining): Problem {
  return new Problem('contact-refused', `${username} takes no new conversations from you.`, { username })
}

function requireFree(
  joining: readonly Joining[],
  requested: readonly Joining[],
  { userId }: DeviceSession,
  { maxConversations, maxRequests }: Config['contacts']
): void {
  const full = joining.find(({ conversations }) => conversations >= maxConversations)
  if (full !== undefined) {
    const who = full.userId === userId ? 'You are' : `${full.username} is`
    const detail = `${who} in ${maxConversations} conversations, and no more are allowed. Leaving one frees room.`
    throw new Problem('limit-reached', detail, { username: full.username })
  }
  const busy = requested.find(({ requests }) => requests >= maxRequests)
  if (busy === undefined) return
  const detail =
    `${maxRequests} requests wait for ${busy.username}, and no more are allowed. ` +
    'There is room when one is accepted or declined.'
  throw new Problem('limit-reached', detail, { username: busy.username })
}

/** One statement for all of them, as there may be a thousand, but person by person: no join of all with all. */
function readJoining(
  tx: Tx,
  actor: string,
  userIds: readonly string[],
  { maxConversations, maxRequests }: Config['contacts']
): Promise<Joining[]> {
  return rows(
    tx,
    sql`
with mine as materialized (
  select conversation_id from memberships
  where user_id = ${actor}::uuid and left_at is null and requested_by is null
),
inviting as materialized (
  select u.user_id as guest, i.created_by as host from invite_uses u join invites i on i.id = u.invite_id
  where u.user_id = any (${arrayOf([actor, ...userIds])}::uuid[])
)
select j.id as "userId", j.username, j.contact_policy as policy,
  exists (select from blocks b where b.user_id = j.id and b.blocked_id = ${actor}::uuid) as "isBlocking",
  coalesce(accepted.shared, false)
    or exists (select from inviting i where i.guest = j.id and i.host = ${actor}::uuid)
    or exists (select from inviting i where i.guest = ${actor}::uuid and i.host = j.id) as "isKnown",
  accepted.conversations,
  (select count(*)::int from (
     select from memberships m
     where m.user_id = j.id and m.left_at is null and m.requested_by <> m.user_id limit ${maxRequests}::int
   ) m) as requests
from users j cross join lateral (
  select count(*)::int as conversations, bool_or(m.conversation_id in (select conversation_id from mine)) as shared
  from (
    select m.conversation_id from memberships m
    where m.user_id = j.id and m.left_at is null and m.requested_by is null limit ${maxConversations}::int
  ) m
) accepted
where j.id = any (${arrayOf(userIds)}::uuid[]) order by j.username`
  )
}
