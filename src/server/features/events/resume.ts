import { parseCursor } from '../../../protocol/cursor.js'
import { Problem } from '../../http/problem.js'
import type { Database } from '../../db/database.js'
import { readResumePoints } from '../../log/resume-points.js'
import type { Log } from '../../log/index.js'
import { batchLoader } from '../../db/batch-loader.js'

/** Where a reader begins. */
export interface Resumed {
  /** He has everything up to this position. */
  position: number
  /** Position of the oldest event kept, if events were lost to him and he must be told. */
  reset: number | null
  /** If nothing since then concerns him: his conversations at the log's position `last`. */
  caughtUp: { last: number; conversations: string[] } | null
}

const STARTS_AT_ONCE = 200

export type ResolveCursor = (userId: string, cursor: string | undefined) => Promise<Resumed>

/**
 * Where a reader begins: at the cursor that he brings, or at the live end without one. Readers who come together are
 * answered by one query.
 *
 * @throws {Problem} `invalid-cursor` if it was never one of ours
 */
export function cursorResolver({ prepared: hot }: Database, { epoch }: Log): ResolveCursor {
  // From the database and not from the tail: another process may have answered a send that we have not seen yet.
  const begin = batchLoader(readResumePoints.bind(null, hot), STARTS_AT_ONCE)
  return async (userId, text) => {
    const cursor = text === undefined ? 'end' : parseCursor(text)
    if (cursor === null) throw new Problem('invalid-cursor')
    const known = typeof cursor === 'object' && cursor.epoch === epoch ? cursor.position : -1
    const { last, oldest, conversations } = await begin({
      userId,
      after: cursor === 'end' ? Number.MAX_SAFE_INTEGER : Math.max(known, 0)
    })
    const caughtUp = conversations === null ? null : { last, conversations }
    if (cursor === 'end') return { position: last, reset: null, caughtUp }
    if (known <= last && known >= oldest - 1) return { position: known, reset: null, caughtUp }
    const reset = cursor === 'start' ? null : oldest
    // What was asked about a cursor from the future says nothing about the log since its beginning.
    return { position: oldest - 1, reset, caughtUp: known > last ? null : caughtUp }
  }
}
