import { sql, type SQL } from 'drizzle-orm'
import type { ChainMember } from '../../../protocol/conversation-chain.js'
import type { DeviceSession } from '../../access/auth.js'
import type { Tx } from '../../db/database.js'
import { duplicateOf } from '../../db/errors.js'
import { arrayOf } from '../../db/rows.js'
import { sessionKeys } from '../../db/schema.js'
import { Problem } from '../../http/problem.js'
import { appendEvents, type NewEvent } from '../../log/append-events.js'
import type { CurrentUsers } from './current-users.js'
import type { Judged, JudgedKey } from './judge.js'
import type { ParsedRequest } from './request.js'
import type { StoredChain } from './stored-chain.js'

export interface ValidRequest {
  session: DeviceSession
  stored: StoredChain | null
  users: CurrentUsers
  parsed: ParsedRequest
  judged: Judged
  /** The `uniqueKey` of a new conversation. */
  uniqueKey: string | null
  /** Whether a new session key was needed. */
  isDue: boolean
  /** Ids of the users who join as a request. */
  requested: ReadonlySet<string>
}

/** Write a valid request, and append its event. @returns the event's position */
export async function storeRequest(tx: Tx, request: ValidRequest): Promise<number> {
  const { stored, parsed, judged } = request
  await (stored === null ? insertConversation(tx, request) : updateConversation(tx, request, stored))
  if (judged.key !== null) {
    await insertSessionKey(tx, request)
    await insertWraps(tx, sessionKeyId(request), judged.key)
  }
  if (stored !== null) await updateMembers(tx, request, stored)
  const joined = [...judged.chain.members].filter(([username]) => stored?.members.has(username) !== true)
  const left = [...(stored?.members ?? [])].filter(([username]) => !judged.chain.members.has(username))
  const event: NewEvent = {
    ...newEvent(request),
    added: joined.map(([username]) => request.users.user(username).userId),
    removed: left.map(([, { user }]) => user.userId)
  }
  // A client knows that the conversation is a request before it shows anything of it.
  const events = [...requestEvents(request), event]
  const position = sql`(head.first + ${events.length - 1}::int)`
  const also = [
    statements(parsed, position),
    memberships(request, joined, position),
    departures(parsed, event.removed!, position)
  ]
  return (await appendEvents(tx, events, sql.join(also, sql`, `))).at(-1)!
}

function newEvent({ stored, parsed, judged }: ValidRequest): NewEvent {
  const { conversationId, statements: items } = parsed
  const { kind, sequence } = judged.chain
  const to = { conversation: conversationId }
  return stored === null
    ? { type: 'conversation.created', data: { conversationId, kind, items }, to }
    : { type: 'conversation.chain', data: { conversationId, sequence, items }, to }
}

function requestEvents({ session: { username: by }, parsed, requested }: ValidRequest): NewEvent[] {
  if (requested.size === 0) return []
  const data = { conversationId: parsed.conversationId, by }
  return [{ type: 'request.received', data, to: { users: [...requested] } }]
}

function sessionKeyId({ stored, parsed: { request } }: ValidRequest): string {
  return 'key' in request ? request.key.statement.sessionKey : stored!.sessionKeyId
}

/** SQL: from when on the session key is out of date. After a leave it is so at once. */
function outdatedAt({ key }: Judged): SQL {
  if (key === null) return sql`now()`
  return Number.isFinite(key.outdatedAt) ? sql`to_timestamp(${key.outdatedAt}::float8)` : sql`null`
}

async function insertConversation(tx: Tx, request: ValidRequest): Promise<void> {
  const { judged, uniqueKey } = request
  const { id, kind, sequence, head, members, messageTtl } = judged.chain
  await tx.execute(sql`
insert into conversations (id, kind, chain_sequence, chain_head, unique_key, member_count, message_ttl,
                           session_key_id, outdated_at)
values (${id}, ${kind}, ${sequence}::int, ${head}, ${uniqueKey}::text, ${members.size}::int, ${messageTtl}::int,
        ${sessionKeyId(request)}, ${outdatedAt(judged)})`)
}

async function updateConversation(tx: Tx, request: ValidRequest, { id }: StoredChain): Promise<void> {
  const { sequence, head, members, messageTtl } = request.judged.chain
  await tx.execute(sql`
update conversations set chain_sequence = ${sequence}::int, chain_head = ${head}, member_count = ${members.size}::int,
  message_ttl = ${messageTtl}::int, session_key_id = ${sessionKeyId(request)}::uuid,
  outdated_at = ${outdatedAt(request.judged)}
where id = ${id}::uuid`)
}

/** @throws {Problem} `id-conflict` */
async function insertSessionKey(tx: Tx, request: ValidRequest): Promise<void> {
  const { session, isDue: due, judged } = request
  const { id: conversationId, sequence, head: hash } = judged.chain
  await tx
    .insert(sessionKeys)
    .values({ id: sessionKeyId(request), conversationId, sequence, hash, makerId: session.userId, due })
    .catch((error: unknown) => {
      throw duplicateOf(error) === 'session_keys_pkey' ? new Problem('id-conflict') : error
    })
}

async function insertWraps(tx: Tx, id: string, { wraps }: JudgedKey): Promise<void> {
  await tx.execute(sql`
insert into session_key_wraps (session_key_id, device_id, wrapped_key, sends)
select ${id}::uuid, w.device_id, decode(w.wrapped_key, 'base64'), w.sends
from unnest(${arrayOf(wraps.map(({ deviceId }) => deviceId))}::uuid[],
            ${arrayOf(wraps.map(({ wrappedKey }) => wrappedKey))},
            ${arrayOf(wraps.map(({ sends }) => sends))}::boolean[]) as w(device_id, wrapped_key, sends)`)
}

type NamedMember = readonly [username: string, member: ChainMember]

/** SQL: a table of the members' lines and states. */
function memberTable(users: CurrentUsers, members: readonly NamedMember[]): SQL {
  const column = (value: (member: ChainMember, username: string) => string | number) =>
    arrayOf(members.map(([username, member]) => value(member, username)))
  return sql`unnest(${column((_, username) => users.user(username).userId)}::uuid[],
    ${column(({ role }) => role)}, ${column(({ root }) => root)},
    ${column(({ state }) => state.sequence)}::int[], ${column(({ state }) => state.head)},
    ${column(({ state }, username) => users.at(username, state).root)}
  ) with ordinality as v(user_id, role, root, state_sequence, state_head, state_root, place)`
}

/** Write what has changed in the lines and states of members who stay. */
async function updateMembers(
  tx: Tx,
  { parsed, users, judged: { chain } }: ValidRequest,
  { members }: StoredChain
): Promise<void> {
  const changed = [...chain.members].filter(([username, { role, root, state }]) => {
    const before = members.get(username)
    if (before === undefined) return false
    return before.role !== role || before.root !== root || before.state.sequence !== state.sequence
  })
  if (changed.length === 0) return
  await tx.execute(sql`
update memberships m set role = v.role, root = v.root, state_sequence = v.state_sequence, state_head = v.state_head,
  state_root = v.state_root
from ${memberTable(users, changed)}
where m.conversation_id = ${parsed.conversationId}::uuid and m.user_id = v.user_id and m.left_at is null`)
}

function statements({ conversationId, links, statements: signed }: ParsedRequest, position: SQL): SQL {
  const request = links.at(-1)!.statement.sequence
  const values = links.map(({ statement: { sequence }, hash }, n) => ({ sequence, hash, ...signed[n]! }))
  return sql`
statement as (
  insert into conversation_statements (conversation_id, sequence, request, hash, text, signatures, position)
  select ${conversationId}::uuid, s.sequence, ${request}::int, s.hash, s.text, s.signatures, ${position}
  from head, json_to_recordset(${JSON.stringify(values)}::json)
    as s(sequence int, hash text, text text, signatures json)
)`
}

function memberships(
  { session, parsed, users, requested }: ValidRequest,
  joined: readonly NamedMember[],
  position: SQL
): SQL {
  return sql`
membership as (
  insert into memberships (conversation_id, user_id, joined_at, place, role, root, state_sequence, state_head,
                           state_root, requested_by)
  select ${parsed.conversationId}::uuid, v.user_id, ${position}, v.place, v.role, v.root, v.state_sequence, v.state_head,
    v.state_root,
    case when v.user_id = any (${arrayOf([...requested])}::uuid[]) then ${session.userId}::uuid end
  from head, ${memberTable(users, joined)}
)`
}

function departures({ conversationId }: ParsedRequest, userIds: readonly string[], position: SQL): SQL {
  return sql`
departure as (
  update memberships set left_at = ${position} from head
  where conversation_id = ${conversationId}::uuid and user_id = any (${arrayOf(userIds)}::uuid[]) and left_at is null
)`
}
