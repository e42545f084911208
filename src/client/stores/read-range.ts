import { formatCursor, parseCursor } from '../../protocol/cursor.js'
import type { StoreReader, StoreTransaction } from './store.js'

const START = 'stream-start'
const READ = 'stream-read'
export const CURSOR = 'cursor'

/** Positions above `from`, up to `to`. */
type Range = { from: number; to: number }

/** Ranges that are remembered. If there are more, the places between the first two count as read. */
const MAX_RANGES = 64

/** The position after which the stream reads without a gap now; 0 if it has not begun. */
export async function streamStart(store: StoreReader): Promise<number> {
  return (await store.get<number>(START)) ?? 0
}

/**
 * Whether the stream has passed over a place at some time, and has come up to a boundary. No position comes again: a
 * server that goes back, or begins another log, opens nothing that was closed.
 */
export async function hasRead(store: StoreReader, place: number, boundary: number): Promise<boolean> {
  const ranges = await readRanges(store)
  return ranges.some(({ from, to }) => place > from && place <= to) && endOf(ranges) >= boundary
}

/** The stream begins after this cursor, for the first time or after a gap. Nothing will come from a gap: it is read. */
export async function beginRange(tx: StoreTransaction, cursor: string): Promise<void> {
  const hasBegun = (await tx.get<number>(START)) !== undefined
  const ranges = await readRanges(tx)
  const gap = { from: endOf(ranges), to: positionOf(cursor) }
  begin(tx, cursor, hasBegun ? [...ranges, gap] : ranges)
}

/** This device begins at this cursor, as a new one: what it leaves out by itself is not read. */
export async function skipTo(tx: StoreTransaction, cursor: string): Promise<void> {
  begin(tx, cursor, await readRanges(tx))
}

/** The stream has come to this cursor. */
export async function moveRange(tx: StoreTransaction, cursor: string): Promise<void> {
  if (positionOf(cursor) < positionOf(await tx.get<string>(CURSOR))) await beginRange(tx, cursor)
  else tx.set(CURSOR, cursor)
}

function begin(tx: StoreTransaction, cursor: string, ranges: readonly Range[]): void {
  tx.set(READ, joined(ranges))
  tx.set(START, positionOf(cursor))
  tx.set(CURSOR, cursor)
}

/** All ranges that were read, the present one included. */
async function readRanges(store: StoreReader): Promise<Range[]> {
  const present = { from: await streamStart(store), to: positionOf(await store.get<string>(CURSOR)) }
  return [...((await store.get<Range[]>(READ)) ?? []), present]
}

function endOf(ranges: readonly Range[]): number {
  return Math.max(0, ...ranges.map(({ to }) => to))
}

/** The same places in as few ranges as can be, in order. */
function joined(ranges: readonly Range[]): Range[] {
  const found: Range[] = []
  for (const { from, to } of ranges.toSorted((a, b) => a.from - b.from)) {
    const last = found.at(-1)
    if (from >= to) continue
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to)
    else found.push({ from, to })
  }
  const surplus = found.splice(0, Math.max(1, found.length - MAX_RANGES + 1))
  return surplus.length === 0 ? [] : [{ from: surplus[0]!.from, to: surplus.at(-1)!.to }, ...found]
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
