import { sql, type SQL } from 'drizzle-orm'
import type { SessionKey } from '../../../protocol/conversations.js'
import type { SignedStatement } from '../../../protocol/schema.js'
import type { Database, Db, PreparedStatement } from '../../db/database.js'
import { base64, isoTime } from '../../log/entry.js'

/** Bytes of the keys in a page; one more still fits. */
const PAGE_BYTES = 2 ** 19
/** Keys of the conversation that are looked at for a page: a device that came late has none of most. */
const LOOKED_AT = 1000

interface AddedWrap {
  wrappedKey: string
  statement: SignedStatement
}

interface Row {
  /** Sequence of the last key that was looked at; null after the conversation's first one. */
  lookedAt: number | null
  /** Keys that fit, of which a page may hold only the first. */
  held: number
  /** This and the rest are null in the one row of an empty page. */
  id: string | null
  sequence: number
  text: string
  signatures: Record<string, string>
  wrappedKey: string | null
  added: AddedWrap[] | null
  createdAt: string
}

/** SQL: about the bytes in which an answer shows a wrap and the statement that goes with it. */
const bytesOf = (statement: string, wrap: string) =>
  `octet_length(${statement}.text) + octet_length(${statement}.signatures::text)
      + coalesce(octet_length(${wrap}.wrapped_key), 0) * 4 / 3`

/** Session keys `k` of conversation `$1` that were wrapped for device `$2` and fit `which`, newest first; up to `$4`. */
const wrappedFor = (name: string, which: string): PreparedStatement => ({
  name,
  text: `
with looked_at as materialized (
  select k.id, k.conversation_id, k.sequence, k.created_at from session_keys k
  where k.conversation_id = $1::uuid and ${which}
  order by k.sequence desc limit ${LOOKED_AT}
),
held as materialized (
  select k.*, w.wrapped_key from looked_at k
  left join session_key_wraps w on w.session_key_id = k.id and w.device_id = $2::uuid
  where w.wrapped_key is not null or exists (
    select from added_wraps a where a.session_key_id = k.id and a.device_id = $2::uuid)
  order by k.sequence desc limit $4::int
),
fitting as (
  select k.*, s.text, s.signatures, sum(size.bytes) over (order by k.sequence desc) - size.bytes as bytes_before
  from held k
  join conversation_statements s on s.conversation_id = k.conversation_id and s.sequence = k.sequence
  cross join lateral (
    select ${bytesOf('s', 'k')} + coalesce(sum(${bytesOf('a', 'a')}), 0) as bytes
    from added_wraps a where a.session_key_id = k.id and a.device_id = $2::uuid
  ) size
)
select bounds.*, k.id, k.sequence, k.text, k.signatures, ${base64('k.wrapped_key')} as "wrappedKey",
  added.list as added, ${isoTime('k.created_at')} as "createdAt"
from (
  select (select count(*)::int from held) as held,
    (select case when count(*) = ${LOOKED_AT} then min(sequence) end from looked_at) as "lookedAt"
) bounds
left join fitting k on k.bytes_before < ${PAGE_BYTES}
left join lateral (
  select json_agg(json_build_object(
    'wrappedKey', ${base64('a.wrapped_key')},
    'statement', json_build_object('text', a.text, 'signatures', a.signatures)) order by a.added_by) as list
  from added_wraps a where a.session_key_id = k.id and a.device_id = $2::uuid
) added on true
order by k.sequence desc`
})

const KEYS_BEFORE = wrappedFor('session-keys-before', 'k.sequence < $3::int')
const KEY_BY_ID = wrappedFor('session-key-by-id', 'k.id = $3::uuid')
const KEY_BY_HASH = wrappedFor('session-key-by-hash', 'k.hash = $3')

function toSessionKey({ text, signatures, wrappedKey, added, createdAt }: Row, id: string): SessionKey {
  return {
    id,
    statement: { text, signatures },
    ...(wrappedKey !== null && { wrappedKey }),
    added: added ?? [],
    createdAt
  }
}

/**
 * A page of the session keys that were wrapped for a device: those whose statements come before a sequence. It
 * can be empty although there is a next one.
 */
export async function readSessionKeys(
  prepared: Database['prepared'],
  conversationId: string,
  deviceId: string,
  before: number,
  limit: number
): Promise<{ items: SessionKey[]; next: string | null }> {
  const found = await prepared<Row>(KEYS_BEFORE, [conversationId, deviceId, before, limit + 1])
  const { held, lookedAt } = found[0]!
  const items: SessionKey[] = []
  for (const row of found.slice(0, limit)) if (row.id !== null) items.push(toSessionKey(row, row.id))
  const last = items.length < held ? found[items.length - 1]!.sequence : lookedAt
  return { items, next: last === null ? null : String(last) }
}

/** A session key by its id or the hash of its statement, if it was wrapped for the device. */
export async function readSessionKey(
  prepared: Database['prepared'],
  conversationId: string,
  deviceId: string,
  key: string
): Promise<SessionKey | null> {
  const statement = isHash(key) ? KEY_BY_HASH : KEY_BY_ID
  const [row] = await prepared<Row>(statement, [conversationId, deviceId, key, 1])
  return row!.id === null ? null : toSessionKey(row!, row!.id)
}

/** SQL: session key `k` has this id, or its statement this hash. */
export function named(key: string): SQL {
  return isHash(key) ? sql`k.hash = ${key}` : sql`k.id = ${key}::uuid`
}

const isHash = (key: string) => key.length === 64

/**
 * Note that a device has got its wraps: they are not kept for ever. A recovery device stores nothing, and whoever knows
 * the password reads in its name: its wraps stay as long as it does.
 */
export async function markFetched(
  db: Db,
  deviceId: string,
  keys: readonly Pick<SessionKey, 'id'>[]
): Promise<void> {
  if (keys.length === 0) return
  const mine = sql`device_id = (select id from devices where id = ${deviceId}::uuid and purpose = 'chat')
    and fetched_at is null
    and session_key_id = any (string_to_array(${keys.map(({ id }) => id).join(',')}, ',')::uuid[])`
  await db.execute(sql`
with added as (update added_wraps set fetched_at = now() where ${mine})
update session_key_wraps set fetched_at = now() where ${mine}`)
}
