import type { DeletedMessage, Message } from '../../../protocol/messages.js'
import { MAX_PAGE_BYTES } from '../../../protocol/schema.js'
import type { Database, PreparedStatement } from '../../db/database.js'
import { ENVELOPE_BYTES, EVENT_COLUMNS, EVENT_TABLES, type EventRow } from '../../log/entry.js'
import { toMessage, type StoredMessage } from '../../log/message.js'

/** Messages of conversation `$1` that user `$2` may see from position `$3`, each membership read by index. */
function historyStatement(direction: 'before' | 'after'): PreparedStatement {
  const [beyond, order] = direction === 'before' ? ['<', 'desc'] : ['>', 'asc']
  return {
    name: `history-${direction}`,
    text: `
select ${EVENT_COLUMNS}
from (
  select x.position from memberships m cross join lateral (
    select e.position from events e
    where e.conversation_id = m.conversation_id and e.message_id is not null and e.position ${beyond} $3::bigint
      and e.position >= m.joined_at and e.position <= coalesce(m.left_at, 9223372036854775807)
    order by e.position ${order} limit $4
  ) x where m.conversation_id = $1::uuid and m.user_id = $2::uuid
  order by x.position ${order} limit $4
) page join events e on e.position = page.position ${EVENT_TABLES}
order by e.position ${order}`
  }
}

const statements = { before: historyStatement('before'), after: historyStatement('after') }

/** Messages of one page, in order, those that were deleted beside them; and where the next page begins. */
export interface HistoryPage {
  items: Message[]
  deleted: DeletedMessage[]
  /** The last position of this page; null if there is nothing behind it. */
  through: number | null
}

/** A page of history: newest first before a position, oldest first after one. @param limit the most messages */
export async function readHistory(
  prepared: Database['prepared'],
  conversationId: string,
  userId: string,
  direction: 'before' | 'after',
  position: number,
  limit: number
): Promise<HistoryPage> {
  const parameters = [conversationId, userId, position, limit + 1]
  const found = await prepared<EventRow>(statements[direction], parameters)
  let bytes = 0
  const fitting = found.findIndex(
    (row) => (bytes += ENVELOPE_BYTES + (isMessage(row) ? row.ciphertext.length : 0)) > MAX_PAGE_BYTES
  )
  const count = Math.min(limit, fitting === -1 ? found.length : Math.max(1, fitting))
  const rows = found.slice(0, count)
  return {
    items: rows.filter(isMessage).map(toMessage),
    deleted: rows.filter((row) => !isMessage(row)).map(toDeleted),
    through: count === found.length ? null : rows.at(-1)!.position
  }
}

function isMessage(row: EventRow): row is EventRow & StoredMessage {
  return row.type === 'message'
}

function toDeleted({ data }: EventRow): DeletedMessage {
  return (JSON.parse(data!) as { message: DeletedMessage }).message
}
