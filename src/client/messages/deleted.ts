import type { DeletedMessage as Tombstone } from '../../protocol/messages.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import type { DeletedMessage, IncomingMessage } from '../types/messages.js'

/** Tombstones of a device under a session key that no message of the device has come behind yet: ids by position. */
export type Tombstones = Map<number, string>

export function shownDeleted(
  conversationId: string,
  { id, position, sender, key, deletedAt }: Tombstone
): DeletedMessage {
  const from = { username: sender.username, deviceId: sender.deviceId, signingKey: '' }
  return { type: 'message-deleted', id, conversationId, key, from, position, deletedAt }
}

/** The device and session key of a message, by the server's word. */
type Flow = Pick<IncomingMessage | DeletedMessage, 'conversationId' | 'key' | 'from'>

export function deletedFlow({ conversationId, key, from }: Flow): string {
  return `deleted/${conversationId}/${key}/${from.deviceId}`
}

/**
 * A tombstone stands in the place of a message that was not read: the sender's next message comes behind a gap. Each
 * has a record of its own, so that one more costs no more than the first. One that was used up does not come again.
 */
export async function noteDeleted(tx: StoreTransaction, deleted: DeletedMessage): Promise<void> {
  if (deleted.position > ((await tx.get<number>(usedName(deleted))) ?? 0))
    tx.set(`${deletedFlow(deleted)}/${deleted.position}`, deleted.id)
}

/** The tombstones that stand before a message, and behind the one that its device had sent before. In their order. */
export async function deletedBefore(
  store: Pick<Store, 'list'>,
  message: Flow & { position: number }
): Promise<Tombstones> {
  const prefix = `${deletedFlow(message)}/`
  const noted = await store.list<string>(prefix)
  const all = noted.map(([name, id]) => [Number(name.slice(prefix.length)), id] as const)
  return new Map(all.filter(([position]) => position < message.position).sort(([a], [b]) => a - b))
}

/**
 * Tombstones before a message that was shown fill no later gap. If it had waited for its key, others stand behind it.
 *
 * @param most how many numbers are missing before the message, if other tombstones may be of those behind it
 */
export async function forgetDeleted(
  tx: StoreTransaction,
  message: IncomingMessage,
  most: number
): Promise<void> {
  const places = [...(await deletedBefore(tx, { ...message, position: message.position + 1 })).keys()]
  const used = places.slice(0, most)
  for (const position of used) tx.delete(`${deletedFlow(message)}/${position}`)
  // They come in the order of their places: those before the last one that was used can stand for nothing more.
  if (used.length > 0) tx.set(usedName(message), used.at(-1)!)
}

function usedName(flow: Flow): string {
  return `deleted-to/${deletedFlow(flow)}`
}
