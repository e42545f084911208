import { parseCursor } from '../../protocol/cursor.js'
import type { Store, StoreTransaction } from '../stores/store.js'

const NAME = 'cursor'

/** The cursor after the last event that was handled; undefined if none was. */
export function readCursor(store: Store): Promise<string | undefined> {
  return store.get<string>(NAME)
}

export function saveCursor(store: Store, cursor: string): Promise<void> {
  return store.update((tx) => tx.set(NAME, cursor))
}

/** Move the cursor forward, unless another process of this device has moved it further. */
export async function advanceCursor(tx: StoreTransaction, cursor: string): Promise<void> {
  const before = parseCursor((await tx.get<string>(NAME)) ?? '0')
  const after = parseCursor(cursor)
  const isBehind =
    before !== null &&
    before !== 'start' &&
    after !== null &&
    after !== 'start' &&
    before.epoch === after.epoch &&
    before.position > after.position
  if (!isBehind) tx.set(NAME, cursor)
}
