import { parseCursor } from '../../protocol/cursor.js'
import { beginRange, CURSOR, moveRange, skipTo } from '../conversations/read-range.js'
import type { Store, StoreTransaction } from '../stores/store.js'

/** The cursor after the last event that was handled; undefined if none was. */
export function readCursor(store: Store): Promise<string | undefined> {
  return store.get<string>(CURSOR)
}

export function saveCursor(store: Store, cursor: string): Promise<void> {
  return store.update((tx) => beginRange(tx, cursor))
}

/** Begin at this cursor, as a new device. */
export function startAt(store: Store, cursor: string): Promise<void> {
  return store.update((tx) => skipTo(tx, cursor))
}

/** Move the cursor forward, unless another process of this device has moved it further. */
export async function advanceCursor(tx: StoreTransaction, cursor: string): Promise<void> {
  const before = parseCursor((await tx.get<string>(CURSOR)) ?? '0')
  const after = parseCursor(cursor)
  const isBehind =
    before !== null &&
    before !== 'start' &&
    after !== null &&
    after !== 'start' &&
    before.epoch === after.epoch &&
    before.position > after.position
  if (!isBehind) await moveRange(tx, cursor)
}
