import { parseCursor } from '../../protocol/cursor.js'
import type { StoreReader, StoreTransaction } from '../stores/store.js'

const START = 'stream-start'
const FURTHEST = 'stream-furthest'
export const CURSOR = 'cursor'

/**
 * The positions that the stream has read without a gap: those above `start`, up to `end`. The furthest that it ever
 * came to counts: a server that begins another log opens nothing that was closed.
 */
export async function readRange(store: StoreReader): Promise<{ start: number; end: number }> {
  const at = positionOf(await store.get<string>(CURSOR))
  const end = Math.max(at, (await store.get<number>(FURTHEST)) ?? 0)
  return { start: (await store.get<number>(START)) ?? at, end }
}

/** The stream begins here, for the first time or after a gap. */
export async function beginRange(tx: StoreTransaction, cursor: string): Promise<void> {
  await moveRange(tx, cursor)
  tx.set(START, positionOf(cursor))
}

/** The stream has come to this cursor, which may be one of another log. */
export async function moveRange(tx: StoreTransaction, cursor: string): Promise<void> {
  const { end } = await readRange(tx)
  if (positionOf(cursor) < end) tx.set(FURTHEST, end)
  tx.set(CURSOR, cursor)
}

function positionOf(cursor: string | undefined): number {
  const parsed = parseCursor(cursor ?? '')
  return parsed === null || parsed === 'start' ? 0 : parsed.position
}
