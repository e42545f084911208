import { formatCursor } from '../../../protocol/cursor.js'
import type { DurableEvent } from '../../../protocol/events.js'
import type { Entry } from '../../log/entry.js'
import { frame } from '../../http/event-frame.js'

/** Milliseconds after which a client reconnects. */
export const RETRY_MS = 3000

/**
 * The frames of this turn of the event loop, in which all readers get an entry. A WeakMap would keep them as long as the
 * log's tail keeps their entries: megabytes, which V8 then has to move and mark. Replaced, not cleared: decision 36.
 */
let frames = new Map<Entry, Buffer>()

/** The SSE frame of a durable event, as bytes: made once for all readers. */
export function durableFrame(epoch: string, entry: Entry): Buffer {
  let bytes = frames.get(entry)
  if (bytes === undefined) {
    const id = formatCursor({ epoch, position: entry.position })
    bytes = Buffer.from(frame(entry.type as DurableEvent, entry.json(), id))
    if (frames.size === 0) setImmediate(() => (frames = new Map()))
    frames.set(entry, bytes)
  }
  return bytes
}
