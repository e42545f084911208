import { MessagePage, type DeletedMessage, type Message } from '../../protocol/messages.js'
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

const DIGEST_DIGITS = 32

/** Each has a record of its own, so that one more costs no more than the first. */
export async function noteAwaitingKey(tx: StoreTransaction, message: AwaitingKey): Promise<void> {
  const name = nameOf(message.conversationId, message.key, message.position)
  if ((await tx.get<string>(name)) === undefined) tx.set(name, markOf(message))
}

/** Whether these very bytes were shown at this position, before they could be read. */
export async function isAwaitingKey(store: StoreReader, message: AwaitingKey): Promise<boolean> {
  const { conversationId, key, position } = message
  return (await store.get<string>(nameOf(conversationId, key, position))) === markOf(message)
}

/** Messages that waited, and tombstones in the places of others that waited. */
interface Waited {
  messages: Message[]
  deleted: DeletedMessage[]
}

/**
 * Read the messages that waited for this session key, oldest first. If the server leaves one out, its note stays.
 *
 * @param also positions whose notes may be gone
 */
export async function* readAwaitingKey(
  api: Api,
  store: Store,
  conversationId: string,
  key: string,
  also: ReadonlySet<number>
): AsyncGenerator<Waited, void, undefined> {
  const prefix = nameOf(conversationId, key, '')
  const noted = (await store.list(prefix)).map(([name]) => Number(name.slice(prefix.length)))
  let left = [...new Set([...noted, ...also])].sort((a, b) => a - b)
  // Each request is for a position that was noted: there are no more than these, whatever the server shows.
  while (left.length > 0) {
    const first = left[0]!
    const path = `/v1/conversations/${conversationId}/messages?limit=200&after=${first - 1}`
    const request = { method: 'GET', path, response: MessagePage, maxBytes: MESSAGE_PAGE_BYTES } as const
    const { items, deleted } = (await api.call(request)).body
    const readTo = Math.max(first, ...[...items, ...deleted].map(({ position }) => position))
    const wanted = new Set(left)
    const isWanted = (item: Message | DeletedMessage) => item.key === key && wanted.has(item.position)
    yield { messages: items.filter(isWanted), deleted: deleted.filter(isWanted) }
    left = left.filter((position) => position > readTo)
  }
}

/** @param id only a message with this id @returns whether one has waited at this position */
export async function forgetAwaitingKey(
  tx: StoreTransaction,
  { conversationId, key, position }: Pick<AwaitingKey, 'conversationId' | 'key' | 'position'>,
  id = ''
): Promise<boolean> {
  const name = nameOf(conversationId, key, position)
  const hasWaited = (await tx.get<string>(name))?.startsWith(id) === true
  if (hasWaited) tx.delete(name)
  return hasWaited
}

/** Two messages of different ids can have the same bytes. */
function markOf({ id, digest }: AwaitingKey): string {
  return `${id} ${digest.slice(0, DIGEST_DIGITS)}`
}

function nameOf(conversationId: string, key: string, position: number | ''): string {
  return `unread/${conversationId}/${key}/${position}`
}
