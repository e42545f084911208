import { MessagePage, type Message } from '../../protocol/messages.js'
import type { UnreadableMessage } from '../types/messages.js'
import type { Api } from '../transport/api.js'
import type { Store, StoreTransaction } from '../stores/store.js'

/** Positions of messages that came before their session key. */
type Positions = number[]

/** More messages than this are not noted for one session key; they can be read in the history. */
const MAX_POSITIONS = 1000

export async function noteAwaitingKey(tx: StoreTransaction, message: UnreadableMessage): Promise<void> {
  if (message.reason !== 'no-key') return
  const name = nameOf(message.conversationId, message.sessionKeyId)
  const positions = (await tx.get<Positions>(name)) ?? []
  if (positions.length < MAX_POSITIONS && !positions.includes(message.position))
    tx.set(name, [...positions, message.position])
}

/** The messages that waited for this session key, oldest first. */
export async function* readAwaitingKey(
  api: Api,
  store: Store,
  conversationId: string,
  sessionKeyId: string
): AsyncGenerator<Message[], void, undefined> {
  const positions = await store.get<Positions>(nameOf(conversationId, sessionKeyId))
  if (positions === undefined || positions.length === 0) return
  const wanted = new Set(positions)
  const last = Math.max(...positions)
  let after = Math.min(...positions) - 1
  while (after < last) {
    const path = `/v1/conversations/${conversationId}/messages?limit=200&after=${after}`
    const { items } = (await api.call({ method: 'GET', path, response: MessagePage })).body
    if (items.length === 0) return
    yield items.filter((message) => message.sessionKeyId === sessionKeyId && wanted.has(message.position))
    after = Math.max(after + 1, items.at(-1)!.position)
  }
}

export function forgetAwaitingKey(tx: StoreTransaction, conversationId: string, sessionKeyId: string): void {
  tx.delete(nameOf(conversationId, sessionKeyId))
}

function nameOf(conversationId: string, sessionKeyId: string): string {
  return `unread/${conversationId}/${sessionKeyId}`
}
