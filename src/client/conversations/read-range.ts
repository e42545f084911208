import { formatCursor, parseCursor } from '../../protocol/cursor.js'
import type { StoreReader, StoreTransaction } from '../stores/store.js'

const START = 'stream-start'
const FURTHEST = 'stream-furthest'
const ENDED = 'stream-ended'
const RUN = 'stream-run'
const SKIPPED = 'stream-skipped'
export const CURSOR = 'cursor'

/** Positions that this device has left out by itself, above `from` up to `to`. */
type Skipped = { from: number; to: number }

/**
 * Ends of runs, and ranges left out, that are remembered. A server that sets the stream back more often opens nothing
 * by it.
 */
const MAX_REMEMBERED = 16

/**
 * Where the stream reads without a gap: from above `start` to the cursor. A boundary that is learned now keeps all.
 */
export type ReadRange = {
  start: number
  cursor: string
  /** How often the stream had been set back, or had begun another log. A cursor may come again, a run does not. */
  run: number
}

export async function readRange(store: StoreReader): Promise<ReadRange> {
  const cursor = (await store.get<string>(CURSOR)) ?? ''
  const start = (await store.get<number>(START)) ?? positionOf(cursor)
  return { start, cursor, run: (await store.get<number>(RUN)) ?? 0 }
}

/**
 * Whether the stream has read up to a boundary. If this device has begun at a later place by itself, it has not, unless
 * it had done so before.
 *
 * @param boundary its position, and the range in which it was learned
 */
export async function hasReadTo(
  store: StoreReader,
  { position, ...learned }: ReadRange & { position: number }
): Promise<boolean> {
  const skipped = (await store.get<Skipped[]>(SKIPPED)) ?? []
  const isLeftOut = skipped.some(({ from, to }) => learned.start < to && position > from && position <= to)
  return !isLeftOut && (await readTo(store, learned)) >= position
}

/**
 * How far the stream has read. The furthest that it ever came to counts: a server that begins another log opens nothing
 * that was closed. But a boundary may be of that other log already, if it was learned when the one before had been read
 * to its end: then only what was read later counts.
 *
 * @param learned the range in which the boundary was learned
 */
async function readTo(store: StoreReader, learned?: ReadRange): Promise<number> {
  const { cursor, run } = await readRange(store)
  const ends = [...((await store.get<string[]>(ENDED)) ?? []), cursor]
  const at = ends.length - 1 - run + (learned?.run ?? run)
  const next = ends[at + 1]
  const isOfNext = next !== undefined && ends[at] === learned?.cursor && logOf(next) !== logOf(ends[at]!)
  const furthest = isOfNext ? 0 : ((await store.get<number>(FURTHEST)) ?? 0)
  return Math.max(furthest, ...ends.slice(isOfNext ? at + 1 : 0).map(positionOf))
}

/** The stream begins after this cursor, for the first time or after a gap. */
export async function beginRange(tx: StoreTransaction, cursor: string): Promise<void> {
  await moveRange(tx, cursor)
  tx.set(START, positionOf(cursor))
}

/** This device begins at this cursor, as a new one: what lies before it is the past. */
export async function skipTo(tx: StoreTransaction, cursor: string): Promise<void> {
  const skipped = (await tx.get<Skipped[]>(SKIPPED)) ?? []
  const left = { from: await readTo(tx), to: positionOf(cursor) }
  await beginRange(tx, cursor)
  if (left.from < left.to) tx.set(SKIPPED, [...skipped, left].slice(-MAX_REMEMBERED))
}

/** The stream has come to this cursor, which may be one of another log. */
export async function moveRange(tx: StoreTransaction, cursor: string): Promise<void> {
  const before = await tx.get<string>(CURSOR)
  const end = await readTo(tx)
  if (positionOf(cursor) < end) tx.set(FURTHEST, end)
  if (before !== undefined && (logOf(before) !== logOf(cursor) || positionOf(cursor) < positionOf(before))) {
    const ended = (await tx.get<string[]>(ENDED)) ?? []
    tx.set(ENDED, [...ended, before].slice(-MAX_REMEMBERED))
    tx.set(RUN, ((await tx.get<number>(RUN)) ?? 0) + 1)
  }
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

function logOf(cursor: string): string | undefined {
  const parsed = parseCursor(cursor)
  return parsed === null || parsed === 'start' ? undefined : parsed.epoch
}
