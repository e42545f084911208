import type { StoreReader, StoreTransaction } from '../stores/store.js'

/** When this client saw the newest session key of a conversation first, and how many messages under it since. */
export type KeySight = {
  /** Hash of the key's statement. */
  hash: string
  /** Milliseconds since 1970. */
  at: number
  count: number
}

export function readSight(store: StoreReader, id: string): Promise<KeySight | undefined> {
  return store.get<KeySight>(recordName(id))
}

/** A key has come into the verified chain. */
export async function beginSight(tx: StoreTransaction, id: string, hash: string, now: number): Promise<void> {
  if ((await readSight(tx, id))?.hash !== hash) tx.set(recordName(id), { hash, at: now, count: 0 })
}

/** Count a message that this client has not seen before. */
export async function countMessage(tx: StoreTransaction, id: string, hash: string): Promise<void> {
  const sight = await readSight(tx, id)
  if (sight?.hash === hash) tx.set(recordName(id), { ...sight, count: sight.count + 1 })
}

function recordName(id: string): string {
  return `sight/${id}`
}
