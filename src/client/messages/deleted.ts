import type { DeletedMessage as Tombstone } from '../../protocol/messages.js'
import type { StoreReader, StoreTransaction } from '../stores/store.js'
import type { DeletedMessage, IncomingMessage } from '../types/messages.js'

/** Tombstones of a device under a session key whose places are remembered one by one; of older ones their number. */
const MAX_PLACES = 100

/** Tombstones that no message of their device has come behind yet. */
type Noted = {
  /** Positions, ascending. */
  places: number[]
  /** How many more stand before these. */
  older: number
  /** Position of the last of the older ones; 0 if there is none. */
  olderTo: number
}

const NONE: Noted = { places: [], older: 0, olderTo: 0 }

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

/** A tombstone stands in the place of a message that was not read: the sender's next message comes behind a gap. */
export async function noteDeleted(tx: StoreTransaction, deleted: DeletedMessage): Promise<void> {
  const { places, older, olderTo } = await noted(tx, deleted)
  // A tombstone that is counted twice would hide a message that the server withholds.
  if (deleted.position <= olderTo || places.includes(deleted.position)) return
  const all = [...places, deleted.position].sort((a, b) => a - b)
  const isFull = all.length > MAX_PLACES
  tx.set(deletedFlow(deleted), {
    places: isFull ? all.slice(1) : all,
    older: older + (isFull ? 1 : 0),
    olderTo: isFull ? all[0]! : olderTo
  })
}

/** How many tombstones stand before a message, and behind the one that its device had sent before. */
export async function countDeleted(store: StoreReader, message: IncomingMessage): Promise<number> {
  const { places, older, olderTo } = await noted(store, message)
  return (olderTo < message.position ? older : 0) + places.filter((place) => place < message.position).length
}

/** Tombstones before a message that was shown fill no later gap. If it had waited for its key, others stand behind it. */
export async function forgetDeleted(tx: StoreTransaction, message: IncomingMessage): Promise<void> {
  const before = await noted(tx, message)
  if (before === NONE) return
  const places = before.places.filter((place) => place > message.position)
  const { older, olderTo } = before.olderTo > message.position ? before : NONE
  if (places.length + older > 0) tx.set(deletedFlow(message), { places, older, olderTo })
  else tx.delete(deletedFlow(message))
}

async function noted(store: StoreReader, flow: Flow): Promise<Noted> {
  return (await store.get<Noted>(deletedFlow(flow))) ?? NONE
}
