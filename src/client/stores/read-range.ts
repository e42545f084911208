import { formatCursor, parseCursor } from '../../protocol/cursor.js'
import type { StoreReader, StoreTransaction } from './store.js'

const START = 'stream-start'
const FURTHEST = 'stream-furthest'
const SKIPPED = 'stream-skipped'
export const CURSOR = 'cursor'

/** Positions that this device has left out by itself, above `from` up to `to`. */
type Skipped = { from: number; to: number }

/** Ranges left out that are remembered. */
const MAX_REMEMBERED = 16

/** Where the stream reads without a gap: from above `start`. A going that is learned now keeps it. */
export type ReadRange = { start: number }

export async function readRange(store: StoreReader): Promise<ReadRange> {
  return { start: (await store.get<number>(START)) ?? 0 }
}

/**
 * Whether the stream has read up to a boundary. The furthest that it ever came to counts, since no position comes
 * again: a server that goes back, or begins another log, opens nothing that was closed. If this device has begun at a
 * later place by itself, it has not read what it left out, unless it had done so before.
 *
 * @param boundary its position, and the range in which it was learned
 */
export async function hasReadTo(
  store: StoreReader,
  { position, start }: ReadRange & { position: number }
): Promise<boolean> {
  const skipped = (await store.get<Skipped[]>(SKIPPED)) ?? []
  const isLeftOut = skipped.some(({ from, to }) => start < to && position > from && position <= to)
  return !isLeftOut && (await readTo(store)) >= position
}

async function readTo(store: StoreReader): Promise<number> {
  return Math.max((await store.get<number>(FURTHEST)) ?? 0, positionOf(await store.get<string>(CURSOR)))
}

/** The stream begins after this cursor, for the first time or after a gap. */
export async function beginRange(tx: StoreTransaction, cursor: string): Promise<void> {
  await moveRange(tx, cursor)
  const start = positionOf(cursor)
  tx.set(START, start)
  // From here on it reads what it has left out, if the server goes back to a place before the end of that.
  const skipped = (await tx.get<Skipped[]>(SKIPPED)) ?? []
  if (skipped.some(({ to }) => to > start)) {
    const cut = skipped.map(({ from, to }) => ({ from, to: Math.min(to, start) }))
    tx.set(
      SKIPPED,
      cut.filter(({ from, to }) => from < to)
    )
  }
}

/** This device begins at this cursor, as a new one: what lies before it is the past. */
export async function skipTo(tx: StoreTransaction, cursor: string): Promise<void> {
  const left = { from: await readTo(tx), to: positionOf(cursor) }
  await beginRange(tx, cursor)
  const skipped = (await tx.get<Skipped[]>(SKIPPED)) ?? []
  if (left.from < left.to) tx.set(SKIPPED, [...skipped, left].slice(-MAX_REMEMBERED))
}

/** The stream has come to this cursor. */
export async function moveRange(tx: StoreTransaction, cursor: string): Promise<void> {
  const end = await readTo(tx)
  if (positionOf(cursor) < end) tx.set(FURTHEST, end)
  tx.set(CURSOR, cursor)
}

/** The cursor right before an event's. */
export function cursorBefore(cursor: string): string {
  const parsed = parseCursor(cursor)
  return parsed === null || parsed === 'start'
    ? cursor
    : formatCursor({ ...parsed, position: Math.max(0, parsed.position - 1) })
}

function positionOf(cursor: string | undefined): number {
  const parsed = parseCursor(cursor ?? '')
  return parsed === null || parsed === 'start' ? 0 : parsed.position
}
