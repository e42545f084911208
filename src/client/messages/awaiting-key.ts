import { MessagePage, type Message } from '../../protocol/messages.js'
import type { UnreadableMessage } from '../types/messages.js'
import type { Core } from '../core.js'
import type { StoreTransaction } from '../stores/store.js'

/** Positions of messages that came before their session key. */
type Places = number[]

/** Of one session key; beyond that they are in the history. */
const MOST = 1000

export async function noteAwaitingKey(tx: StoreTransaction, message: UnreadableMessage): Promise<void> {
  if (message.reason !== 'no-key') return
  const name = nameOf(message.conversationId, message.sessionKeyId)
  const places = (await tx.get<Places>(name)) ?? []
  if (places.length < MOST && !places.includes(message.position)) tx.set(name, [...places, message.position])
}

/** The messages that waited for this session key, oldest first. */
export async function* readAwaitingKey(
  core: Core,
  conversationId: string,
  sessionKeyId: string
): AsyncGenerator<Message[], void, undefined> {
  const places = await core.store.get<Places>(nameOf(conversationId, sessionKeyId))
  if (places === undefined || places.length === 0) return
  const wanted = new Set(places)
  const last = Math.max(...places)
  let after = Math.min(...places) - 1
  while (after < last) {
    const path = `/v1/conversations/${conversationId}/messages?limit=200&after=${after}`
    const { items } = (await core.tokens.call({ method: 'GET', path, response: MessagePage })).body
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
