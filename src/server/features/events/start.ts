import { formatCursor, parseCursor } from '../../../protocol/ids.js'
import { Problem } from '../../../protocol/problems.js'
import type { Database } from '../../db/index.js'
import type { Log } from '../../log/index.js'
import { readBounds } from '../../log/read.js'

/** Where a reader begins. */
export interface Start {
  /** He has everything up to this position. */
  position: number
  /** Position of the oldest event kept, if events were lost to him and he must be told. */
  reset: number | null
}

/**
 * From the cursor that a client brings, or from the live end without one.
 *
 * @throws {Problem} `invalid-cursor` if it was never one of ours
 */
export async function findStart({ hot }: Database, { epoch }: Log, text: string | undefined): Promise<Start> {
  const cursor = text === undefined ? 'end' : parseCursor(text)
  if (cursor === null) throw new Problem('invalid-cursor')
  // From the database and not from the tail: another process may have answered a send that we have not seen yet.
  const { last, oldest } = await readBounds(hot)
  if (cursor === 'end') return { position: last, reset: null }
  if (cursor === 'start') return { position: oldest - 1, reset: null }
  const { position } = cursor
  if (cursor.epoch === epoch && position <= last && position >= oldest - 1) return { position, reset: null }
  return { position: oldest - 1, reset: oldest }
}

export function cursorAt({ epoch }: Log, position: number): string {
  return formatCursor({ epoch, position })
}
