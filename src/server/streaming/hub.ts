import type { ActiveSession, Sessions } from '../access/sessions.js'
import { Problem } from '../http/problem.js'
import type { Entry } from '../log/entry.js'
import type { Log } from '../log/index.js'
import type { MissedEntries } from '../log/tail.js'
import type { OpenStream } from './open-stream.js'
import { StreamLimits, type StreamBounds } from './stream-limits.js'

/**
 * A user with open streams here. Arrays, since there are thousands of users and mostly one stream each: they
 * take a quarter of the memory of Sets. The arrays of streams are copied on every change, so a loop over one
 * is safe while streams come and go.
 */
interface User {
  readonly id: string
  streams: readonly OpenStream[]
  /** The streams that get new entries. */
  subscribed: readonly OpenStream[]
  /** The user's conversations at the log's head, or at `through` if that is later; null until a stream subscribes. */
  conversations: Conversation[] | null
  /** Where the first stream went on. Above the head if this process lags behind the database. */
  through: number
}

interface Conversation {
  readonly id: string
  readonly users: Set<User>
}

type PresenceListener = (userId: string, online: boolean) => void

/**
 * All open streams of this process, by session, by user and by the user's conversations. It hands the log's
 * new entries to the streams that may see them.
 */
export class Hub {
  readonly #sessions: Sessions
  readonly #log: Pick<Log, 'since'>
  readonly #limits: StreamLimits
  readonly #bySession = new Map<string, readonly OpenStream[]>()
  readonly #users = new Map<string, User>()
  /** Those with users here. */
  readonly #conversations = new Map<string, Conversation>()
  readonly #timer: NodeJS.Timeout
  #onPresence: PresenceListener = () => undefined
  #stopping = false

  constructor(sessions: Sessions, log: Pick<Log, 'listen' | 'since'>, bounds: StreamBounds) {
    this.#sessions = sessions
    this.#log = log
    this.#limits = new StreamLimits(bounds)
    sessions.onEnded((id) => this.#endSession(id, 'revoked'))
    log.listen((entries) => this.#deliver(entries))
    this.#timer = setInterval(() => this.#tick(), 1000)
    this.#timer.unref()
  }

  /** Streams that are open now. */
  get count(): number {
    return this.#limits.count
  }

  /** Call `listener` when a user's first stream opens and when the last one closes. */
  onPresence(listener: PresenceListener): void {
    this.#onPresence = listener
  }

  /** @throws {Problem} `stopping`, and what `StreamLimits` throws */
  requireCapacity(next: Pick<OpenStream, 'session' | 'network'>): void {
    if (this.#stopping) throw new Problem('stopping')
    this.#limits.requireCapacity(next, this.#users.get(next.session.userId)?.streams ?? [])
  }

  add(stream: OpenStream): void {
    const { id, userId } = stream.session
    this.#limits.add(stream)
    this.#bySession.set(id, (this.#bySession.get(id) ?? []).concat(stream))
    let user = this.#users.get(userId)
    if (user === undefined)
      this.#users.set(
        userId,
        (user = { id: userId, streams: [], subscribed: [], conversations: null, through: 0 })
      )
    user.streams = user.streams.concat(stream)
    if (user.streams.length === 1) this.#onPresence(userId, true)
    // The session may have ended since the request was let in; from now on the stream will hear of it.
    if (!this.#sessions.isCurrent(stream.session)) void this.#checkSession(stream.session)
  }

  remove(stream: OpenStream): void {
    const { id, userId } = stream.session
    const user = this.#users.get(userId)
    if (user?.streams.includes(stream) !== true) return
    this.#limits.remove(stream)
    const ofSession = without(this.#bySession.get(id)!, stream)
    if (ofSession.length > 0) this.#bySession.set(id, ofSession)
    else this.#bySession.delete(id)
    user.streams = without(user.streams, stream)
    user.subscribed = without(user.subscribed, stream)
    if (user.streams.length > 0) return
    for (const conversation of user.conversations ?? []) this.#removeFrom(conversation, user)
    this.#users.delete(userId)
    this.#onPresence(userId, false)
  }

  /**
   * Deliver new entries from now on to a stream that was added.
   *
   * @param conversations those of its user at `stream.through`
   * @returns the entries after `stream.through`, to be taken before any is delivered; null if they are no
   *   longer in memory: read another page and try again
   */
  subscribe(stream: OpenStream, conversations: readonly string[]): Entry[] | null {
    const { userId } = stream.session
    const since = this.#log.since(userId, stream.through, conversations)
    if (since === null) return null
    const user = this.#users.get(userId)!
    // Another stream has resumed ahead of the head. The entries in between are still to come.
    if (user.conversations === null || since.through < user.through) this.#place(user, since)
    stream.through = since.through
    user.subscribed = user.subscribed.concat(stream)
    return since.entries
  }

  /** Deliver nothing more: the stream reads pages again. */
  unsubscribe(stream: OpenStream): void {
    const user = this.#users.get(stream.session.userId)
    if (user !== undefined) user.subscribed = without(user.subscribed, stream)
  }

  /** The users here who are in any of the conversations. */
  usersIn(conversations: Iterable<string>): Set<string> {
    const found = new Set<string>()
    for (const id of conversations)
      for (const user of this.#conversations.get(id)?.users ?? []) found.add(user.id)
    return found
  }

  /** Write frames of ephemeral events to all streams of a user. */
  announce(userId: string, frames: string): void {
    for (const stream of this.#users.get(userId)?.streams ?? []) stream.announce(frames)
  }

  /** End all streams; none is admitted any more. */
  stop(): void {
    this.#stopping = true
    clearInterval(this.#timer)
    for (const streams of this.#bySession.values()) for (const stream of streams) stream.end('stopping')
  }

  #deliver(entries: readonly Entry[]): void {
    const due = new Map<OpenStream, Entry[]>()
    for (const entry of entries) {
      for (const user of this.#known(entry.joined)) this.#join(user, entry.conversationId!)
      const users =
        entry.conversationId === null
          ? this.#known(entry.recipients)
          : this.#conversations.get(entry.conversationId)?.users
      for (const user of users ?? [])
        for (const stream of user.subscribed) {
          if (entry.position <= stream.through) continue
          const entriesDue = due.get(stream)
          if (entriesDue === undefined) due.set(stream, [entry])
          else entriesDue.push(entry)
        }
      for (const user of this.#known(entry.left)) this.#leave(user, entry.conversationId!)
    }
    for (const [stream, entriesDue] of due) {
      stream.through = entriesDue.at(-1)!.position
      stream.deliver(entriesDue)
    }
  }

  #known(userIds: readonly string[]): User[] {
    return userIds.flatMap((id) => this.#users.get(id) ?? [])
  }

  #conversation(id: string): Conversation {
    let conversation = this.#conversations.get(id)
    if (conversation === undefined) this.#conversations.set(id, (conversation = { id, users: new Set() }))
    return conversation
  }

  #place(user: User, { conversations, through }: Pick<MissedEntries, 'conversations' | 'through'>): void {
    for (const conversation of user.conversations ?? []) this.#removeFrom(conversation, user)
    user.conversations = Array.from(conversations, (id) => this.#conversation(id))
    for (const { users } of user.conversations) users.add(user)
    user.through = through
  }

  #join(user: User, id: string): void {
    if (user.conversations === null) return
    const conversation = this.#conversation(id)
    if (conversation.users.has(user)) return
    conversation.users.add(user)
    user.conversations.push(conversation)
  }

  #leave(user: User, id: string): void {
    const at = user.conversations?.findIndex((conversation) => conversation.id === id) ?? -1
    if (at >= 0) this.#removeFrom(user.conversations!.splice(at, 1)[0]!, user)
  }

  #removeFrom({ id, users }: Conversation, user: User): void {
    users.delete(user)
    if (users.size === 0) this.#conversations.delete(id)
  }

  #tick(): void {
    const now = performance.now()
    for (const streams of this.#bySession.values()) {
      const { session } = streams[0]!
      if (!this.#sessions.isCurrent(session)) void this.#checkSession(session)
      for (const stream of streams) stream.tick(now)
    }
  }

  #endSession(id: string, reason: 'revoked' | 'expired'): void {
    for (const stream of this.#bySession.get(id) ?? []) stream.end(reason)
  }

  /**
   * The session has changed or expired as far as this process knows; it may have been refreshed meanwhile.
   */
  async #checkSession({ id, endsAt }: ActiveSession): Promise<void> {
    const session = await this.#sessions.find(id).catch(() => undefined)
    if (session === null) this.#endSession(id, endsAt <= performance.now() ? 'expired' : 'revoked')
    else if (session !== undefined)
      for (const stream of this.#bySession.get(id) ?? []) stream.session = session
  }
}

function without(streams: readonly OpenStream[], stream: OpenStream): readonly OpenStream[] {
  return streams.filter((other) => other !== stream)
}
