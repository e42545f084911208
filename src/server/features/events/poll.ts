import type { DeviceSession } from '../../access/auth.js'
import type { Entry } from '../../log/entry.js'
import { readVisible, type VisiblePage } from '../../log/read.js'
import type { Subscriber } from '../../log/tail.js'
import type { Services } from '../../services.js'
import type { OpenStream } from '../../streaming/hub.js'
import { cursorAt, type Resumed } from './resume.js'

/** Of ciphertext in one answer; a single larger event still fits. */
const PAGE_BYTES = 2 ** 20

/** A request that waits for the first event after `page`. */
class Waiter implements Subscriber, OpenStream {
  session: DeviceSession
  readonly userId: string
  through: number
  readonly #resolve: (entries: readonly Entry[]) => void

  constructor(session: DeviceSession, through: number, resolve: (entries: readonly Entry[]) => void) {
    this.session = session
    this.userId = session.userId
    this.through = through
    this.#resolve = resolve
  }

  deliver(entries: readonly Entry[]): void {
    this.#resolve(entries)
  }
  end(): void {
    this.#resolve([])
  }
  announce(): void {
    // A poll carries durable events alone.
  }
  tick(): void {
    // Its time is bounded already.
  }
}

/**
 * The events after a cursor as one JSON document; with nothing to tell, wait up to `waitMs` for the first.
 *
 * @param gone aborts when the client leaves
 */
export async function poll(
  services: Services,
  session: DeviceSession,
  start: Resumed,
  options: { limit: number; waitMs: number; gone: AbortSignal }
): Promise<string> {
  const { database, log } = services
  const { limit, waitMs, gone } = options
  const size = { events: limit, bytes: PAGE_BYTES }
  let page: VisiblePage =
    start.caughtUp === null
      ? await readVisible(database.prepared, session.userId, start.position, size)
      : { entries: [], through: start.caughtUp.last, conversations: start.caughtUp.conversations }
  const deadline = performance.now() + waitMs
  while (page.entries.length === 0 && start.reset === null && performance.now() < deadline && !gone.aborted) {
    const entries = await next(services, session, page, deadline, gone)
    page =
      entries === null
        ? await readVisible(database.prepared, session.userId, page.through, size)
        : { ...page, entries: entries.slice(0, limit) }
    if (entries !== null) break
  }
  const { entries } = page
  const items = entries.map(
    ({ type, json, position }) => `{"event":"${type}","data":${json},"cursor":"${cursorAt(log, position)}"}`
  )
  if (start.reset !== null)
    items.unshift(
      `{"event":"reset","data":{"position":${start.reset}},"cursor":"${cursorAt(log, start.position)}"}`
    )
  const cursor = cursorAt(log, entries.at(-1)?.position ?? page.through)
  return `{"items":[${items.join(',')}],"cursor":"${cursor}"}`
}

/** The next events, none if the time is over or the session ends, null if a page has to be read instead. */
async function next(
  { log, streams }: Services,
  session: DeviceSession,
  page: VisiblePage,
  deadline: number,
  gone: AbortSignal
): Promise<readonly Entry[] | null> {
  streams.requireRoom(session.userId)
  let resolve: (entries: readonly Entry[]) => void = () => undefined
  const promise = new Promise<readonly Entry[]>((done) => (resolve = done))
  const waiter = new Waiter(session, page.through, resolve)
  const since = log.tail.attach(waiter, page.through, page.conversations ?? [])
  if (since === null || since.length > 0) {
    log.tail.detach(waiter)
    return since
  }
  streams.add(waiter)
  const timer = setTimeout(() => resolve([]), deadline - performance.now())
  const leave = () => resolve([])
  gone.addEventListener('abort', leave, { once: true })
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    gone.removeEventListener('abort', leave)
    log.tail.detach(waiter)
    streams.remove(waiter)
  }
}
