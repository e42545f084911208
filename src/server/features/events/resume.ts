import { parseCursor } from '../../../protocol/cursor.js'
import { Problem } from '../../http/problem.js'
import type { Database } from '../../db/database.js'
import { readResumePoints, type ResumeRequest } from '../../log/resume-points.js'
import type { Log } from '../../log/index.js'
import { batchLoader } from '../../db/batch-loader.js'

/** The point at which a reader starts. */
export interface StartPoint {
  /** The reader has everything up to this position. */
  position: number
  /** Position of the oldest event that is kept, if the reader has lost events and gets a `reset`. */
  reset: number | null
  /**
   * If no event since then concerns the reader: their conversations at the log's position `last`. Else null.
   */
  caughtUp: { last: number; conversations: string[] } | null
}

const STARTS_AT_ONCE = 200

export type ResolveCursor = (userId: string, cursor: string | undefined) => Promise<StartPoint>

/**
 * Resolves cursors: a reader starts at the cursor of the request, or without one at the live end. One query
 * serves all readers that come at once.
 *
 * @throws {Problem} `invalid-cursor` if this service cannot have made the cursor
 */
export function cursorResolver({ prepared }: Database, { epoch }: Log): ResolveCursor {
  // From the database, not from memory: another process may have stored a message that this one has not read
  // yet.
  const load = batchLoader(
    (requests: ResumeRequest[]) => readResumePoints(prepared, requests),
    STARTS_AT_ONCE
  )
  return async (userId, text) => {
    const cursor = text === undefined ? 'end' : parseCursor(text)
    if (cursor === null) throw new Problem('invalid-cursor')
    const known = typeof cursor === 'object' && cursor.epoch === epoch ? cursor.position : -1
    const { last, oldest, conversations } = await load({
      userId,
      after: cursor === 'end' ? Number.MAX_SAFE_INTEGER : Math.max(known, 0)
    })
    const caughtUp = conversations === null ? null : { last, conversations }
    if (cursor === 'end') return { position: last, reset: null, caughtUp }
    if (known <= last && known >= oldest - 1) return { position: known, reset: null, caughtUp }
    const reset = cursor === 'start' ? null : oldest
    // For a cursor ahead of the log, `caughtUp` says nothing about the older events that the reader gets now.
    return { position: oldest - 1, reset, caughtUp: known > last ? null : caughtUp }
  }
}
