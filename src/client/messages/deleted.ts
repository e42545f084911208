import type { DeletedMessage as Tombstone } from '../../protocol/messages.js'
import type { StoreReader, StoreTransaction } from '../stores/store.js'
import type { DeletedMessage, IncomingMessage } from '../types/messages.js'

/** Tombstones of a device under a session key that are remembered until its next message comes. */
const MAX_NOTED = 1000

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

/** The stream has brought a tombstone in the place of a message: the sender's next message comes behind a gap. */
export async function noteDeleted(tx: StoreTransaction, deleted: DeletedMessage): Promise<void> {
  const noted = await notedDeleted(tx, deleted)
  if (noted.includes(deleted.position) || noted.length >= MAX_NOTED) return
  tx.set(deletedFlow(deleted), [...noted, deleted.position])
}

/** Places of tombstones that the stream has brought since the last message of a device. */
export async function notedDeleted(store: StoreReader, flow: Flow): Promise<number[]> {
  return (await store.get<number[]>(deletedFlow(flow))) ?? []
}
