import { parseCursor } from '../../protocol/cursor.js'
import { EventPage } from '../../protocol/events.js'
import type { Api } from '../transport/api.js'
import { beginRange, CURSOR, moveRange } from '../stores/read-range.js'
import type { Store, StoreTransaction } from '../stores/store.js'

/** The cursor after the last event that was handled; undefined if none was. */
export function readCursor(store: Store): Promise<string | undefined> {
  return store.get<string>(CURSOR)
}

export function saveCursor(store: Store, cursor: string): Promise<void> {
  return store.update((tx) => beginRange(tx, cursor))
}

/**
 * The first event of the stream comes. Events before it may have left the log: a device that begins at the oldest one
 * gets no `reset`.
 */
export function beginAtFirst(store: Store, cursor: string): Promise<void> {
  return store.update(async (tx) => {
    // Another client of the store may have gone on already.
    if (parseCursor((await tx.get<string>(CURSOR)) ?? '') === 'start') await beginRange(tx, cursor)
  })
}

/** The cursor after the newest event. */
export async function endOfLog(api: Api): Promise<string> {
  const request = { method: 'GET', path: '/v1/events/page?limit=1', response: EventPage } as const
  return (await api.call(request)).body.cursor
}

/** Move the cursor forward, unless another process of this device has moved it further. */
export async function advanceCursor(tx: StoreTransaction, cursor: string): Promise<void> {
  const before = await tx.get<string>(CURSOR)
  if (before === undefined || !isBehind(cursor, before)) await moveRange(tx, cursor)
}

/** Whether a cursor stands before another one of the same log. */
export function isBehind(cursor: string, other: string): boolean {
  const [a, b] = [parseCursor(cursor), parseCursor(other)]
  if (a === null || b === null || a === 'start' || b === 'start') return false
  return a.epoch === b.epoch && a.position < b.position
}
