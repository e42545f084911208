import type { DeletedMessage as Tombstone } from '../../protocol/messages.js'
import type { StoreReader, StoreTransaction } from '../stores/store.js'
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
 * has a record of its own, so that one more costs no more than the first. One that was used up does not come again, nor
 * does one that stood in another place.
 */
export async function noteDeleted(tx: StoreTransaction, deleted: DeletedMessage): Promise<void> {
  if (deleted.position <= (await usedTo(tx, deleted)) || (await isElsewhere(tx, deleted))) return
  tx.set(`${deletedFlow(deleted)}/${deleted.position}`, deleted.id)
  tx.set(placeName(deleted), deleted.position)
}

/**
 * The tombstones that stand before a message, and were not used up. In their order.
 *
 * @param found others that may not be noted yet, of any device
 */
export async function deletedBefore(
  store: StoreReader,
  message: Flow & { position: number },
  found: readonly DeletedMessage[] = []
): Promise<Tombstones> {
  const flow = deletedFlow(message)
  const prefix = `${flow}/`
  const noted = await store.list<string>(prefix)
  if (noted.length + found.length === 0) return new Map()
  const used = await usedTo(store, message)
  const all = noted.map(([name, id]) => [Number(name.slice(prefix.length)), id] as const)
  const ids = new Set(all.map(([, id]) => id))
  for (const one of found) {
    if (deletedFlow(one) !== flow || ids.has(one.id) || (await isElsewhere(store, one))) continue
    ids.add(one.id)
    all.push([one.position, one.id])
  }
  const isOpen = (position: number) => position > used && position < message.position
  return new Map(all.filter(([position]) => isOpen(position)).sort(([a], [b]) => a - b))
}

/**
 * Tombstones before a message that was shown fill no later gap. If it had waited for its key, others stand behind it.
 *
 * @param to the place of the last one that was used: they come in the order of their places, so that those before it
 *   can stand for nothing more
 */
export async function forgetDeleted(
  tx: StoreTransaction,
  message: IncomingMessage,
  to: number
): Promise<void> {
  const places = [...(await deletedBefore(tx, { ...message, position: to + 1 })).keys()]
  for (const position of places) tx.delete(`${deletedFlow(message)}/${position}`)
  if (places.length > 0) tx.set(usedName(message), places.at(-1)!)
}

async function usedTo(store: StoreReader, flow: Flow): Promise<number> {
  return (await store.get<number>(usedName(flow))) ?? 0
}

/** Whether the same message was deleted in another place: a tombstone fills one gap. */
async function isElsewhere(store: StoreReader, deleted: DeletedMessage): Promise<boolean> {
  const place = await store.get<number>(placeName(deleted))
  return place !== undefined && place !== deleted.position
}

function placeName(deleted: DeletedMessage): string {
  return `deleted-at/${deletedFlow(deleted)}/${deleted.id}`
}

function usedName(flow: Flow): string {
  return `deleted-to/${deletedFlow(flow)}`
}
