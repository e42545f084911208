import { formatCursor, parseCursor } from '../../protocol/cursor.js'
import type { StoreReader, StoreTransaction } from '../stores/store.js'

const START = 'stream-start'
const FURTHEST = 'stream-furthest'
const ENDED = 'stream-ended'
const SKIPPED = 'stream-skipped'
export const CURSOR = 'cursor'

/** Positions that this device has left out by itself, above `from` up to `to`. */
type Skipped = { from: number; to: number }

/** Logs that are remembered. A server that begins more of them opens nothing by it. */
const MAX_ENDED = 16

/**
 * Where the stream reads without a gap: from above `start` to the cursor. A boundary that is learned now keeps both.
 */
export async function readRange(store: StoreReader): Promise<{ start: number; cursor: string }> {
  const cursor = (await store.get<string>(CURSOR)) ?? ''
  return { start: (await store.get<number>(START)) ?? positionOf(cursor), cursor }
}

/**
 * Whether the stream has read up to a boundary. If this device has begun at a later place by itself, it has not, unless
 * it had done so before.
 *
 * @param learned `cursor` and `start` of the range in which the boundary was learned
 */
export async function hasReadTo(
  store: StoreReader,
  { position, cursor, start }: { position: number; cursor: string; start: number }
): Promise<boolean> {
  const skipped = await store.get<Skipped>(SKIPPED)
  const isLeftOut = skipped !== undefined && start < skipped.to && position > skipped.from
  return (await readTo(store, cursor)) >= position && !(isLeftOut && position <= skipped.to)
}

/**
 * How far the stream has read since a boundary was learned. The furthest that it ever came to counts: a server that
 * begins another log opens nothing that was closed. But a boundary may be of that other log already, if it was learned
 * when the one before had been read to its end: then only what was read later counts.
 *
 * @param learnedAt the cursor at that time
 */
async function readTo(store: StoreReader, learnedAt: string): Promise<number> {
  const ended = (await store.get<string[]>(ENDED)) ?? []
  const at = ended.lastIndexOf(learnedAt)
  const furthest = at < 0 ? ((await store.get<number>(FURTHEST)) ?? 0) : 0
  const { cursor } = await readRange(store)
  return Math.max(furthest, ...[...ended.slice(at + 1), cursor].map(positionOf))
}

/** The stream begins after this cursor, for the first time or after a gap. */
export async function beginRange(tx: StoreTransaction, cursor: string): Promise<void> {
  await moveRange(tx, cursor)
  tx.set(START, positionOf(cursor))
}

/** This device begins at this cursor, as a new one: what lies before it is the past. */
export async function skipTo(tx: StoreTransaction, cursor: string): Promise<void> {
  const from = await readTo(tx, '')
  await beginRange(tx, cursor)
  tx.set(SKIPPED, { from, to: positionOf(cursor) } satisfies Skipped)
}

/** The stream has come to this cursor, which may be one of another log. */
export async function moveRange(tx: StoreTransaction, cursor: string): Promise<void> {
  const before = await tx.get<string>(CURSOR)
  const end = await readTo(tx, '')
  if (positionOf(cursor) < end) tx.set(FURTHEST, end)
  if (before !== undefined && logOf(before) !== logOf(cursor)) {
    const ended = (await tx.get<string[]>(ENDED)) ?? []
    tx.set(ENDED, [...ended, before].slice(-MAX_ENDED))
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
