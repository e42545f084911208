import { MessagePage, type Message } from '../../protocol/messages.js'
import type { Api } from '../transport/api.js'
import { MESSAGE_PAGE_BYTES } from '../transport/pages.js'
import type { Store, StoreReader, StoreTransaction } from '../stores/store.js'

/** A message whose session key has not come yet. */
export interface AwaitingKey {
  conversationId: string
  /** Hash of the `conversation-key` statement. */
  key: string
  id: string
  digest: string
  position: number
}

/** Positions of messages that came before their session key, each with the first 128 bits of their digest. */
type Waiting = Record<number, string>

/** More messages than this are not noted for one session key; they can be read in the history. */
const MAX_WAITING = 1000
const DIGEST_DIGITS = 32

export async function noteAwaitingKey(tx: StoreTransaction, message: AwaitingKey): Promise<void> {
  const name = nameOf(message.conversationId, message.key)
  const waiting = (await tx.get<Waiting>(name)) ?? {}
  if (Object.keys(waiting).length < MAX_WAITING && waiting[message.position] === undefined)
    tx.set(name, { ...waiting, [message.position]: markOf(message) })
}

/** Whether these very bytes were shown at this position, before they could be read. */
export async function isAwaitingKey(store: StoreReader, message: AwaitingKey): Promise<boolean> {
  const waiting = await store.get<Waiting>(nameOf(message.conversationId, message.key))
  return waiting?.[message.position] === markOf(message)
}

/** The messages that waited for this session key, oldest first. */
export async function* readAwaitingKey(
  api: Api,
  store: Store,
  conversationId: string,
  key: string
): AsyncGenerator<Message[], void, undefined> {
  const waiting = await store.get<Waiting>(nameOf(conversationId, key))
  let left = Object.keys(waiting ?? {})
    .map(Number)
    .sort((a, b) => a - b)
  const wanted = new Set(left)
  // Each request is for a position that was noted: there are no more than these, whatever the server shows.
  while (left.length > 0) {
    const first = left[0]!
    const path = `/v1/conversations/${conversationId}/messages?limit=200&after=${first - 1}`
    const request = { method: 'GET', path, response: MessagePage, maxBytes: MESSAGE_PAGE_BYTES } as const
    const { items } = (await api.call(request)).body
    yield items.filter((message) => message.key === key && wanted.has(message.position))
    const readTo = Math.max(first, items.at(-1)?.position ?? 0)
    left = left.filter((position) => position > readTo)
  }
}

export function forgetAwaitingKey(tx: StoreTransaction, conversationId: string, key: string): void {
  tx.delete(nameOf(conversationId, key))
}

/** Two messages of different ids can have the same bytes. */
function markOf({ id, digest }: AwaitingKey): string {
  return `${id} ${digest.slice(0, DIGEST_DIGITS)}`
}

function nameOf(conversationId: string, key: string): string {
  return `unread/${conversationId}/${key}`
}
