import { MessagePage, type Message } from '../../protocol/messages.js'
import type { UnreadableMessage } from '../types/messages.js'
import type { Api } from '../transport/api.js'
import type { Store, StoreReader, StoreTransaction } from '../stores/store.js'

/** Positions of messages that came before their session key. */
type Positions = number[]

/** More messages than this are not noted for one session key; they can be read in the history. */
const MAX_POSITIONS = 1000

export async function noteAwaitingKey(tx: StoreTransaction, message: UnreadableMessage): Promise<void> {
  if (message.reason !== 'no-key') return
  const name = nameOf(message.conversationId, message.key)
  const positions = (await tx.get<Positions>(name)) ?? []
  if (positions.length < MAX_POSITIONS && !positions.includes(message.position))
    tx.set(name, [...positions, message.position])
}

export async function isAwaitingKey(
  store: StoreReader,
  conversationId: string,
  key: string,
  position: number
): Promise<boolean> {
  return (await store.get<Positions>(nameOf(conversationId, key)))?.includes(position) === true
}

/** The messages that waited for this session key, oldest first. */
export async function* readAwaitingKey(
  api: Api,
  store: Store,
  conversationId: string,
  key: string
): AsyncGenerator<Message[], void, undefined> {
  const positions = await store.get<Positions>(nameOf(conversationId, key))
  if (positions === undefined || positions.length === 0) return
  const wanted = new Set(positions)
  let left = [...positions].sort((a, b) => a - b)
  // Each request is for a position that was noted: there are no more than these, whatever the server shows.
  while (left.length > 0) {
    const first = left[0]!
    const path = `/v1/conversations/${conversationId}/messages?limit=200&after=${first - 1}`
    const { items } = (await api.call({ method: 'GET', path, response: MessagePage })).body
    yield items.filter((message) => message.key === key && wanted.has(message.position))
    const readTo = Math.max(first, items.at(-1)?.position ?? 0)
    left = left.filter((position) => position > readTo)
  }
}

export function forgetAwaitingKey(tx: StoreTransaction, conversationId: string, key: string): void {
  tx.delete(nameOf(conversationId, key))
}

function nameOf(conversationId: string, key: string): string {
  return `unread/${conversationId}/${key}`
}
