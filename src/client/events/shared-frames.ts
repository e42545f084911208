import { linked, sleep } from '../transport/abort.js'
import type { Frame } from '../transport/sse.js'
import { isBehind } from './cursor.js'
import { begun, type FrameSource, type ServerFrames } from './server-frames.js'

/** A tab that hears nothing for so long asks whether another one still reads. */
const QUIET_MS = 20_000
/** One that does not answer in this time, or in up to twice that, is frozen. Not all tabs take its place at once. */
const ANSWER_MS = 5000
/** A tab whose stream has ended keeps its turn for so long. All others hear of the end, and pause as it does. */
const FAREWELL_MS = 100
/** Batches that wait for a slow reader. It catches up by pages with those that find no place. */
const MAX_WAITING = 64

/** What the reading tab passes on: frames, and the cursors of the stream before and after them. */
interface Passed {
  after: string
  end: string
  frames: readonly Frame[]
}

/** The stream of the reading tab has ended. */
interface Ended {
  mute: number
  /** Known in the tab that has read it. */
  error?: unknown
}

/** A question whether anybody reads. Where in the stream the reader is answers it. */
const HELLO = 'hello'

/**
 * One stream for all tabs of a store: browsers allow six connections to a server without HTTP/2. The tab that holds
 * a Web Lock reads the stream, and passes each frame on. Every tab handles the frames as if it had a stream of its
 * own. One that has missed frames, for whatever reason, sees by the cursors, and fetches them.
 */
export class SharedFrames implements FrameSource {
  readonly #name: string
  readonly #source: ServerFrames
  readonly #random: () => number

  /** @param name of the lock and of the channel */
  constructor(name: string, source: ServerFrames, random: () => number) {
    this.#name = name
    this.#source = source
    this.#random = random
  }

  async *batches(at: () => string | undefined, signal: AbortSignal): AsyncGenerator<readonly Frame[], void> {
    const end = linked([signal])
    const tab = new Tab(this.#name, this.#source, this.#random, at, end.signal)
    try {
      yield* tab.batches()
    } finally {
      end.abort()
      end.unlink()
      tab.close()
    }
  }
}

/** A reader of the events in one tab, whether it or another one reads the stream. */
class Tab {
  readonly #name: string
  readonly #source: ServerFrames
  readonly #random: () => number
  readonly #at: () => string | undefined
  readonly #signal: AbortSignal
  readonly #channel: BroadcastChannel
  readonly #heard = new Inbox<Passed | Ended>()
  /** This tab's turn to read the stream, for which it waits at first. */
  #turn = new AbortController()
  /** The cursor of the stream that this tab reads; undefined if it reads none. */
  #reading: string | undefined
  /** The cursor up to which this tab has everything. */
  #through = ''

  constructor(
    name: string,
    source: ServerFrames,
    random: () => number,
    at: () => string | undefined,
    signal: AbortSignal
  ) {
    this.#name = name
    this.#source = source
    this.#random = random
    this.#at = at
    this.#signal = signal
    this.#channel = new BroadcastChannel(name)
    this.#channel.onmessage = ({ data }) => this.#hear(data as Passed | Ended | typeof HELLO)
  }

  close(): void {
    this.#channel.close()
  }

  async *batches(): AsyncGenerator<readonly Frame[], void> {
    const { cursor, frames } = await this.#source.page(this.#at(), this.#signal)
    yield [begun(cursor), ...frames]
    this.#through = this.#at() ?? cursor
    this.#compete()
    for await (const notice of this.#notices()) {
      if ('mute' in notice) {
        if (notice.error !== undefined) throw notice.error as Error
        return
      }
      const { after, end, frames } = notice
      if (after === this.#through) yield frames
      else if (isOld(notice, this.#through)) continue
      else yield* this.#missed()
      const at = this.#at() ?? end
      this.#through = isBehind(end, at) ? at : end
    }
  }

  async *#notices(): AsyncGenerator<Passed | Ended, void> {
    this.#channel.postMessage(HELLO)
    for (let hasAsked = true; ;) {
      const notice = await this.#heard.next(
        hasAsked ? ANSWER_MS * (1 + this.#random()) : QUIET_MS,
        this.#signal
      )
      if (notice !== undefined) yield notice
      else if (this.#reading === undefined) {
        if (hasAsked) this.#compete(true)
        else this.#channel.postMessage(HELLO)
      }
      hasAsked = notice === undefined && !hasAsked
    }
  }

  /** What was not passed on to this tab. */
  async *#missed(): AsyncGenerator<readonly Frame[], void> {
    for (let before: string | undefined; before !== this.#at();) {
      before = this.#at()
      yield (await this.#source.page(before, this.#signal)).frames
    }
  }

  #hear(notice: Passed | Ended | typeof HELLO): void {
    if (notice === HELLO) {
      if (this.#reading !== undefined) this.#pass([])
      return
    }
    if ('mute' in notice) this.#source.mute = notice.mute
    // The tab that has waited may read already.
    if (!('mute' in notice) || this.#reading === undefined) this.#heard.push(notice)
  }

  /** Wait for the turn to read the stream. @param steal take it from a tab that is frozen */
  #compete(steal = false): void {
    this.#turn.abort()
    this.#reading = undefined
    const turn = linked([this.#signal])
    this.#turn = turn
    const read = async () => {
      if (!turn.signal.aborted) await this.#read(turn.signal)
    }
    const options = steal ? { steal } : { signal: turn.signal }
    navigator.locks
      .request(this.#name, options, read)
      .catch(() => {
        // Another tab took this one for frozen, and has taken its turn.
        if (this.#reading !== undefined && !turn.signal.aborted) this.#compete()
      })
      .finally(() => turn.unlink())
  }

  /** Read the stream for all tabs. */
  async #read(turn: AbortSignal): Promise<void> {
    this.#reading = this.#through
    let error: unknown
    try {
      for await (const frames of this.#source.batches(() => this.#reading, turn)) {
        if (turn.aborted) return
        this.#pass(frames)
      }
    } catch (failure) {
      error = failure
    }
    if (turn.aborted) return
    this.#reading = undefined
    const { mute } = this.#source
    this.#channel.postMessage({ mute } satisfies Ended)
    this.#heard.push({ mute, error })
    await new Promise((resolve) => setTimeout(resolve, FAREWELL_MS))
  }

  #pass(frames: readonly Frame[]): void {
    const after = this.#reading!
    this.#reading = frames.reduce(cursorAfter, after)
    const passed: Passed = { after, end: this.#reading, frames }
    this.#heard.push(passed)
    this.#channel.postMessage(passed)
  }
}

/** Things that arrive, until they are asked for. When it is full, the oldest ones are dropped. */
class Inbox<T> {
  readonly #items: T[] = []
  #arrived = () => {}

  push(item: T): void {
    this.#items.push(item)
    if (this.#items.length > MAX_WAITING) this.#items.shift()
    this.#arrived()
  }

  /** @returns undefined if nothing comes within `ms`. @throws the signal's reason as soon as it aborts */
  async next(ms: number, signal: AbortSignal): Promise<T | undefined> {
    if (this.#items.length === 0) {
      const wait = linked([signal])
      this.#arrived = () => wait.abort()
      await sleep(ms, wait.signal).catch(() => undefined)
      wait.unlink()
    }
    signal.throwIfAborted()
    return this.#items.shift()
  }
}

/** A server that shows an event again does not move its stream back. */
function cursorAfter(cursor: string, { event, id }: Frame): string {
  return id === undefined || (event !== 'reset' && isBehind(id, cursor)) ? cursor : id
}

/** Whether a tab that has everything up to `through` has these frames, too. */
function isOld({ end, frames }: Passed, through: string): boolean {
  return (end === through || isBehind(end, through)) && !frames.some(({ event }) => event === 'reset')
}
