import { Problem } from '../http/problem.js'
import { MultiMap } from './multi-map.js'
import type { ActiveSession, Sessions } from '../access/sessions.js'

/** An open event stream, or a request that waits for events. */
export interface OpenStream {
  /** As it was last known: replaced when it has moved on. */
  session: ActiveSession
  /** Write frames of ephemeral events, unless the stream lags behind anyway. */
  announce: (frames: string) => void
  /** Called every second, with the time on the monotonic clock. */
  tick: (now: number) => void
  /** Say good-bye, because of the session or because the server stops, and close. */
  end: (why: 'revoked' | 'expired' | 'stopping') => void
}

type PresenceListener = (userId: string, online: boolean) => void

/** All open streams of this process. */
export class Streams {
  readonly #bySession = new MultiMap<string, OpenStream>()
  readonly #byUser = new MultiMap<string, OpenStream>()
  readonly #limits: { maxOpen: number; maxPerUser: number }
  readonly #sessions: Sessions
  readonly #timer: NodeJS.Timeout
  #presence: PresenceListener = () => undefined
  #count = 0
  #stopping = false

  constructor(sessions: Sessions, limits: { maxOpen: number; maxPerUser: number }) {
    this.#sessions = sessions
    this.#limits = limits
    sessions.onEnded((id) => this.#endSession(id, 'revoked'))
    this.#timer = setInterval(() => this.#tick(), 1000)
    this.#timer.unref()
  }

  get count(): number {
    return this.#count
  }

  /** Have `listener` told when a user's first stream opens and his last one closes. */
  onPresence(listener: PresenceListener): void {
    this.#presence = listener
  }

  online(): Iterable<string> {
    return this.#byUser.keys()
  }

  ofUser(userId: string): Iterable<OpenStream> {
    return this.#byUser.get(userId)
  }

  /** @throws {Problem} `too-many-streams`, `too-many-requests` for too many of one user, `stopping` */
  requireRoom(userId: string): void {
    if (this.#stopping) throw new Problem('stopping')
    if (this.#count >= this.#limits.maxOpen) throw new Problem('too-many-streams')
    if (this.#byUser.get(userId).length >= this.#limits.maxPerUser)
      throw new Problem('too-many-requests', 'You have as many open streams as a user may have.')
  }

  add(stream: OpenStream): void {
    const { id, userId } = stream.session
    this.#count++
    this.#bySession.add(id, stream)
    if (this.#byUser.add(userId, stream) === 1) this.#presence(userId, true)
    // The session may have ended since the request was let in; from now on the stream will be told.
    if (stream.session.stale) void this.#checkSession(stream.session)
  }

  remove(stream: OpenStream): void {
    const { id, userId } = stream.session
    if (this.#bySession.delete(id, stream) === null) return
    this.#count--
    if (this.#byUser.delete(userId, stream) === 0) this.#presence(userId, false)
  }

  /** End all streams; none is admitted any more. */
  stop(): void {
    this.#stopping = true
    clearInterval(this.#timer)
    for (const streams of this.#bySession.values()) for (const stream of streams) stream.end('stopping')
  }

  #endSession(id: string, why: 'revoked' | 'expired'): void {
    for (const stream of this.#bySession.get(id)) stream.end(why)
  }

  #tick(): void {
    const now = performance.now()
    for (const streams of this.#bySession.values()) {
      const [first] = streams
      if (first !== undefined && (first.session.stale || first.session.endsAt <= now))
        void this.#checkSession(first.session)
      for (const stream of streams) stream.tick(now)
    }
  }

  /** The session has changed or run out as far as this process knows; it may have been refreshed meanwhile. */
  async #checkSession({ id, endsAt }: ActiveSession): Promise<void> {
    const session = await this.#sessions.find(id).catch(() => undefined)
    if (session === null) this.#endSession(id, endsAt <= performance.now() ? 'expired' : 'revoked')
    else if (session !== undefined) for (const stream of this.#bySession.get(id)) stream.session = session
  }
}
