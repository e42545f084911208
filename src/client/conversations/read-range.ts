import { parseCursor } from '../../protocol/cursor.js'
import type { StoreReader, StoreTransaction } from '../stores/store.js'

const START = 'stream-start'
export const CURSOR = 'cursor'

/** The positions that the stream has read without a gap: those above `start`, up to `end`. */
export async function readRange(store: StoreReader): Promise<{ start: number; end: number }> {
  const end = positionOf(await store.get<string>(CURSOR))
  return { start: (await store.get<number>(START)) ?? end, end }
}

/** The stream begins here, for the first time or after a gap. */
export function beginRange(tx: StoreTransaction, cursor: string): void {
  tx.set(CURSOR, cursor)
  tx.set(START, positionOf(cursor))
}

function positionOf(cursor: string | undefined): number {
  const parsed = parseCursor(cursor ?? '')
  return parsed === null || parsed === 'start' ? 0 : parsed.position
}
