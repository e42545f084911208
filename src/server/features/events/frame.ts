import { formatCursor } from '../../../protocol/ids.js'
import type { DurableEvent, EphemeralEvent } from '../../../protocol/events.js'
import type { Entry } from '../../log/entry.js'

/** Milliseconds after which a client should reconnect. */
export const RETRY_MS = 3000

const frames = new WeakMap<Entry, Buffer>()

/** The SSE frame of a durable event, as bytes: made once, whoever reads it. */
export function durableFrame(epoch: string, entry: Entry): Buffer {
  let bytes = frames.get(entry)
  if (bytes === undefined) {
    const id = formatCursor({ epoch, position: entry.position })
    bytes = Buffer.from(frame(entry.type as DurableEvent, entry.json, id))
    frames.set(entry, bytes)
  }
  return bytes
}

/** `json` is one line, as JSON.stringify makes it, and event names are our own: nothing can forge a field. */
export function frame(event: DurableEvent | EphemeralEvent, json: string, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${json}\n\n`
}
