import { formatCursor } from '../../../protocol/cursor.js'
import { MAX_PAGE_BYTES } from '../../../protocol/schema.js'
import type { DeviceSession } from '../../access/auth.js'
import type { Entry } from '../../log/entry.js'
import { readVisible, type VisiblePage } from '../../log/read.js'
import type { Services } from '../../services.js'
import type { OpenStream } from '../../streaming/open-stream.js'
import type { StartPoint } from './resume.js'

/** Bytes of the events in an answer, without what is around them. A single larger event still fits. */
const PAGE_BYTES = MAX_PAGE_BYTES - 1024
/** Base64 makes four bytes of three. */
const READ_BYTES = (PAGE_BYTES * 3) / 4

export interface Poller {
  readonly session: DeviceSession
  readonly network: string
}

/** A request that waits for the first event after `page`. */
class Waiter implements OpenStream {
  session: DeviceSession
  readonly network: string
  through: number
  readonly #resolve: (entries: readonly Entry[]) => void

  constructor({ session, network }: Poller, through: number, resolve: (entries: readonly Entry[]) => void) {
    this.session = session
    this.network = network
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
    // A poll returns only durable events.
  }
  tick(): void {
    // A poll has its own time limit.
  }
}

export type PollParts = Pick<Services, 'database' | 'log' | 'hub'>

/**
 * The events after a cursor as one JSON document. If there are none, wait up to `waitMs` for the first.
 *
 * @param options.gone aborts when the client leaves
 * @param options.onWait called before it waits
 */
export async function poll(
  services: PollParts,
  poller: Poller,
  start: StartPoint,
  options: { limit: number; waitMs: number; gone: AbortSignal; onWait: () => void }
): Promise<string> {
  const { database, log } = services
  const cursorAt = (position: number) => formatCursor({ epoch: log.epoch, position })
  const { limit, waitMs, gone, onWait } = options
  const size = { events: limit, bytes: READ_BYTES }
  let page: VisiblePage =
    start.caughtUp === null
      ? await readVisible(database.prepared, poller.session.userId, start.position, size)
      : { entries: [], through: start.caughtUp.last, conversations: start.caughtUp.conversations }
  const deadline = performance.now() + waitMs
  while (page.entries.length === 0 && start.reset === null && performance.now() < deadline && !gone.aborted) {
    onWait()
    const entries = await next(services, poller, page, deadline, gone)
    page =
      entries === null
        ? await readVisible(database.prepared, poller.session.userId, page.through, size)
        : { ...page, entries }
    if (entries !== null) break
  }
  const items: string[] = []
  if (start.reset !== null)
    items.push(`{"event":"reset","data":{"position":${start.reset}},"cursor":"${cursorAt(start.position)}"}`)
  // Events that come live come in whole batches of the log.
  let { through } = page
  let bytes = 0
  for (const entry of page.entries.slice(0, limit)) {
    const item = `{"event":"${entry.type}","data":${entry.json()},"cursor":"${cursorAt(entry.position)}"}`
    bytes += Buffer.byteLength(item) + 1
    if (bytes > PAGE_BYTES && entry !== page.entries[0]) break
    items.push(item)
    through = entry.position
  }
  return `{"items":[${items.join(',')}],"cursor":"${cursorAt(through)}"}`
}

/** The next events; none if the time is over or the session ends; null if a page must be read instead. */
async function next(
  { log, hub }: PollParts,
  poller: Poller,
  page: VisiblePage,
  deadline: number,
  gone: AbortSignal
): Promise<readonly Entry[] | null> {
  hub.requireCapacity(poller)
  const conversations = page.conversations ?? []
  const since = log.since(poller.session.userId, page.through, conversations)
  if (since === null || since.entries.length > 0) return since?.entries ?? null
  let resolve: (entries: readonly Entry[]) => void = () => undefined
  const promise = new Promise<readonly Entry[]>((done) => (resolve = done))
  const waiter = new Waiter(poller, page.through, resolve)
  hub.add(waiter)
  hub.subscribe(waiter, conversations)
  const timer = setTimeout(() => resolve([]), deadline - performance.now())
  const leave = () => resolve([])
  gone.addEventListener('abort', leave, { once: true })
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    gone.removeEventListener('abort', leave)
    hub.remove(waiter)
  }
}
