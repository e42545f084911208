import { sql } from 'drizzle-orm'
import { MAX_CHANGES } from '../../../protocol/conversation-chain.js'
import type { SignedStatement } from '../../../protocol/schema.js'
import type { Db } from '../../db/database.js'
import { rows } from '../../db/rows.js'
import { Problem } from '../../http/problem.js'
import { asNumber } from '../../log/entry.js'

/** Statements in a page, unless the request says otherwise. */
export const CHAIN_PAGE = 200
/** Bytes of the texts in a page; a larger request still fits. */
const PAGE_BYTES = 2 ** 19

export interface ChainPage {
  /** Hash and sequence of the newest statement of the chain that the user may see. */
  head: string
  sequence: number
  /** Position of the newest event that the user may see. */
  lastPosition: number
  items: SignedStatement[]
  /** The sequence after which the next page starts; null on the last page. */
  next: string | null
}

interface Row {
  head: string
  last: number
  lastPosition: number
  /** This and the rest are null in the one row of an empty page. */
  sequence: number | null
  /** Sequence of the last statement of its request. */
  request: number
  text: string
  signatures: Record<string, string>
}

/**
 * The statements of a conversation's chain after a sequence, in order: whole requests, at least one. For a user who
 * has gone the chain ends with the request that says so: what they were sent before can still be read.
 *
 * @param limit the most statements, but for the first request
 * @throws {Problem} `conversation-not-found` if the user has never been a member
 */
export async function readChainPage(
  db: Db,
  conversationId: string,
  userId: string,
  after: number,
  limit = CHAIN_PAGE
): Promise<ChainPage> {
  const found = await rows<Row>(
    db,
    sql`
with stay as (
  select max(coalesce(left_at, 9223372036854775807)) as until from memberships
  where conversation_id = ${conversationId}::uuid and user_id = ${userId}::uuid
),
shown as not materialized (
  select sequence, request, hash, text, signatures from conversation_statements, stay
  where conversation_id = ${conversationId}::uuid and position <= stay.until
)
select last.hash as head, last.sequence as last, s.sequence, s.request, s.text, s.signatures, (
    select ${sql.raw(asNumber('e.position'))} from events e, stay
    where e.conversation_id = ${conversationId}::uuid and e.position <= stay.until order by e.position desc limit 1
  ) as "lastPosition"
from (select hash, sequence from shown order by sequence desc limit 1) last left join (
  select *, sum(octet_length(text)) over (order by sequence) - octet_length(text) as bytes_before,
    first_value(request) over (order by sequence) as first_request
  from (
    select * from shown where sequence > ${after}::int order by sequence limit ${limit + MAX_CHANGES}::int
  ) s
) s on s.bytes_before < ${PAGE_BYTES}::int or s.request = s.first_request
order by s.sequence`
  )
  if (found.length === 0) throw new Problem('conversation-not-found')
  const { head, last, lastPosition, request: first } = found[0]!
  const end = found.findLastIndex(
    ({ sequence, request }, at) =>
      sequence !== null && sequence === request && (at < limit || request === first)
  )
  const whole = found.slice(0, end + 1)
  const through = whole.at(-1)?.sequence ?? last
  return {
    head,
    sequence: last,
    lastPosition,
    items: whole.map(({ text, signatures }) => ({ text, signatures })),
    next: through < last ? String(through) : null
  }
}
