import { listOf } from '../db/prepared.js'
import type { PreparedStatement } from '../db/database.js'
import { MAX_MESSAGES_PER_KEY } from '../../protocol/messages.js'
import { asNumber, isoTime } from './entry.js'
import type { OutgoingMessage } from './message.js'

export type Refusal = 'session-ended' | 'not-found' | 'conflict' | 'rekey' | 'not-in-roster' | 'forbidden'

/** The answer to one message of a batch. `position` means something only for `stored` and `repeat`. */
export interface SendRow {
  verdict: 'stored' | 'repeat' | Refusal
  position: number
  createdAt: string
}

/**
 * The columns of a batch, each one text with its values joined by commas, which neither UUIDs nor base64
 * contain. An array literal would have to be quoted value by value.
 */
export function sendValues(batch: readonly Omit<OutgoingMessage, 'senderUsername'>[]): string[] {
  const column = (name: keyof (typeof batch)[number]) => batch.map((message) => message[name]).join(',')
  return [
    column('id'),
    column('conversationId'),
    column('senderId'),
    column('senderDeviceId'),
    column('sessionKeyId'),
    column('key'),
    column('iv'),
    column('ciphertext'),
    column('signature'),
    column('sessionId')
  ]
}

/**
 * Check and append a whole batch, with one verdict for each message.
 *
 * Every change of members or devices also marks the row of the conversation, which names the current session
 * key and says whether it is out of date. The rows are locked FOR SHARE, in the order of their ids. The lock
 * also reads again what a concurrent change has just committed: a change of members or devices waits for the
 * batch, or the batch for the change. `now()` would be the time before the batch has waited, and a change that came
 * meanwhile would lie in the future. The roster of a key never changes. The row of `log_head`, which counts positions,
 * is locked last.
 *
 * A message may have waited for the batches before it: it is refused if its session has ended before this statement
 * began. The session is not locked, so one that ends while the statement runs does not stop it.
 */
export const SEND: PreparedStatement = {
  name: 'send',
  text: `
with input as materialized (
  select id, conversation_id, sender_id, sender_device_id, session_id, session_key_id, key,
         decode(iv, 'base64') as iv, decode(ciphertext, 'base64') as ciphertext,
         decode(signature, 'base64') as signature, n
  from unnest(
    ${listOf(1)}::uuid[], ${listOf(2)}::uuid[], ${listOf(3)}::uuid[], ${listOf(4)}::uuid[], ${listOf(5)}::uuid[],
    ${listOf(6)}, ${listOf(7)}, ${listOf(8)}, ${listOf(9)}, ${listOf(10)}::uuid[]
  ) with ordinality
    as r(id, conversation_id, sender_id, sender_device_id, session_key_id, key, iv, ciphertext, signature, session_id, n)
),
conversation as materialized (
  select id, session_key_id, outdated_at from conversations
  where id = any (${listOf(2)}::uuid[]) order by id for share
),
judged as materialized (
  select i.*, e.position as old_position, e.created_at as old_created_at,
    case
      when s.found is null then 'session-ended'
      when e.position is not null
        and (e.conversation_id, e.sender_device_id, e.session_key_id, e.iv, e.ciphertext, e.signature)
          = (i.conversation_id, i.sender_device_id, i.session_key_id, i.iv, i.ciphertext, i.signature)
        and k.hash = i.key
        then 'repeat'
      -- Nothing is left to compare with.
      when e.deleted_at is not null and (e.conversation_id, e.sender_device_id, e.session_key_id)
          = (i.conversation_id, i.sender_device_id, i.session_key_id)
        then 'repeat'
      when c.id is null or m.found is null then 'not-found'
      when e.position is not null then 'conflict'
      when c.session_key_id <> i.session_key_id or k.hash <> i.key or c.outdated_at <= clock_timestamp()
        or k.message_count >= ${MAX_MESSAGES_PER_KEY} then 'rekey'
      when w.sends is null then 'not-in-roster'
      when not w.sends then 'forbidden'
      else 'stored'
    end as verdict
  from input i
  left join conversation c on c.id = i.conversation_id
  -- LIMIT makes each of these one look-up by index per row. Without it, a plan that was made while the tables were
  -- small could scan one that has grown.
  left join lateral (select * from events where message_id = i.id limit 1) e on true
  left join lateral (select true as found from sessions where id = i.session_id limit 1) s on true
  left join lateral (select message_count, hash from session_keys where id = i.session_key_id limit 1) k on true
  left join lateral (
    select true as found from memberships
    where conversation_id = i.conversation_id and user_id = i.sender_id and left_at is null limit 1) m on true
  left join lateral (
    select sends from session_key_wraps
    where session_key_id = i.session_key_id and device_id = i.sender_device_id limit 1) w on true
),
accepted as materialized (
  select *, row_number() over (order by n) as place from judged where verdict = 'stored'
),
head as (
  update log_head set last = last + (select count(*) from accepted)
  where (select count(*) from accepted) > 0
  returning last - (select count(*) from accepted) as before, clock_timestamp() as now
),
counted as (
  update session_keys k set message_count = message_count + a.messages
  from (select session_key_id, count(*)::int as messages from accepted group by 1) a, head
  where k.id = a.session_key_id
),
inserted as (
  insert into events (position, type, conversation_id, created_at, message_id, sender_id, sender_device_id,
                      session_key_id, iv, ciphertext, signature)
  select head.before + a.place, 'message', a.conversation_id, head.now, a.id, a.sender_id, a.sender_device_id,
         a.session_key_id, a.iv, a.ciphertext, a.signature
  from accepted a, head
  returning message_id, position, created_at
)
select j.verdict, ${asNumber('coalesce(i.position, j.old_position)')} as position,
       ${isoTime('coalesce(i.created_at, j.old_created_at)')} as "createdAt"
from judged j left join inserted i on i.message_id = j.id and j.verdict = 'stored'
order by j.n`
}
