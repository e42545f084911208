import type { FakeServer, Lie } from '../../support/fake-server.js'

export interface EventPage {
  items: { event: string; data: object; cursor: string }[]
  cursor: string
}

/** Streams that show all events there are, then end: so a test knows when a client has read them. */
export function endingStream({ log }: FakeServer): Lie {
  return async ({ method, path, headers, username, deviceId }) => {
    if (method !== 'GET' || path !== '/v1/events' || username === null) return undefined
    const after = headers.get('last-event-id')
    const page = (await log.page(username, after ?? log.cursor).json()) as EventPage
    return streamOf(page, after, deviceId)
  }
}

export function streamOf(
  { items, cursor }: EventPage,
  after: string | null,
  deviceId: string | null
): Response {
  const ready = { cursor, deviceId: deviceId ?? crypto.randomUUID(), keepaliveSeconds: 15 }
  const frames = [`id: ${after ?? cursor}\n${frame('ready', ready)}`]
  for (const { event, data, cursor: id } of items) frames.push(`id: ${id}\n${frame(event, data)}`)
  return new Response(frames.join(''), { headers: { 'content-type': 'text/event-stream' } })
}

function frame(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
