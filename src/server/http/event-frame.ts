import type { DurableEvent, EphemeralEvent } from '../../protocol/events.js'

/**
 * A frame of an event stream. `json` is one line, as `JSON.stringify` makes it, so that no value can forge a
 * field.
 */
export function frame(event: DurableEvent | EphemeralEvent, json: string, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${json}\n\n`
}
