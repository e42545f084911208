import { MessagePage, type Message } from '../../protocol/messages.js'
import type { HistoryRange, Incoming } from '../types/messages.js'
import type { Core } from '../core.js'
import { HistoryGaps } from './gaps.js'
import type { Read } from './decrypt.js'
import { untrusted } from '../errors.js'

const PAGE = 200

/** Read a conversation page by page: newest first, or oldest first after a position. */
export async function* readHistory(
  core: Core,
  conversationId: string,
  range: HistoryRange
): AsyncGenerator<Incoming, void, undefined> {
  const gaps = new HistoryGaps(range.after === undefined)
  let left = range.limit ?? Infinity
  for await (const messages of pages(core, conversationId, range)) {
    const wanted = messages.slice(0, left)
    left -= wanted.length
    const read: Read[] = []
    try {
      for await (const message of core.inbox.read(wanted)) {
        const { shown, before, commit } = message
        if (commit !== null) read.push(message)
        yield* before
        if (shown.type === 'message') yield* gaps.before(shown)
        yield shown
      }
    } finally {
      // Once a page: what is not written down when the process dies is judged anew the next time.
      if (read.length > 0)
        await core.store.update(async (tx) => {
          for (const message of read) await core.inbox.commit(tx, message)
        })
    }
    if (left <= 0) return
  }
}

async function* pages(
  core: Core,
  conversationId: string,
  { before, after, limit = Infinity }: HistoryRange
): AsyncGenerator<Message[], void, undefined> {
  const size = Math.max(1, Math.min(PAGE, limit))
  const onward = after !== undefined
  let place = onward ? `&after=${after}` : before === undefined ? '' : `&before=${before}`
  let last = after ?? before ?? Infinity
  for (;;) {
    const path = `/v1/conversations/${conversationId}/messages?limit=${size}${place}`
    const { items, next } = (await core.tokens.call({ method: 'GET', path, response: MessagePage })).body
    const wanted = onward && before !== undefined ? items.filter(({ position }) => position < before) : items
    for (const message of items) {
      const inOrder = onward ? message.position > last : message.position < last
      if (!inOrder || message.conversationId !== conversationId)
        throw untrusted('reordered-history', 'The server’s history is not in the order of its positions.')
      last = message.position
    }
    if (wanted.length > 0) yield wanted
    if (next === null || wanted.length < items.length || items.length === 0) return
    place = `&cursor=${encodeURIComponent(next)}`
  }
}
