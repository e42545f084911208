import { json } from './fake-answers.js'

interface LoggedEvent {
  position: number
  /** The users who see it. */
  users: ReadonlySet<string>
  event: string
  data: object
}

/** The event log of the server in memory, with the streams that follow it. */
export class FakeLog {
  #epoch = 'aaaaaaaa'
  position = 10
  /** Events before it are not kept. */
  #oldest = 1
  readonly events: LoggedEvent[] = []
  readonly #streams = new Map<string, Set<ReadableStreamDefaultController<Uint8Array>>>()
  /** Frames that wait for others, by user. */
  #held: Map<string, string> | null = null

  /** Append an event and stream it. @returns its position */
  append(users: Iterable<string>, event: string, data: object, position = ++this.position): number {
    const logged = { position, users: new Set(users), event, data: { ...data, position } }
    this.events.push(logged)
    const listening = [...logged.users].filter((username) => this.#streams.has(username))
    if (listening.length === 0) return position
    const frame = this.#durable(logged)
    for (const username of listening) this.send(username, frame)
    return position
  }

  /** What is appended meanwhile arrives in one piece. */
  together(append: () => void): void {
    const held = (this.#held = new Map<string, string>())
    append()
    this.#held = null
    for (const [username, frames] of held) this.send(username, frames)
  }

  /** Write a frame into all streams of a user, whatever it says. */
  send(username: string, frame: string): void {
    if (this.#held !== null) return void this.#held.set(username, (this.#held.get(username) ?? '') + frame)
    for (const stream of this.#streams.get(username) ?? []) stream.enqueue(new TextEncoder().encode(frame))
  }

  /** Clients show their own alarms when something comes. */
  keepAlive(username: string): void {
    this.send(username, ':\n\n')
  }

  /** Break all streams of a user. */
  disconnect(username: string): void {
    for (const stream of this.#streams.get(username) ?? []) stream.close()
    this.#streams.delete(username)
  }

  /** The server was restored from a backup that ends at a position: another log begins, and its streams break. */
  restore(position: number): void {
    this.#epoch = 'bbbbbbbb'
    this.position = position
    this.events.splice(0, Infinity, ...this.events.filter((event) => event.position <= position))
    for (const username of this.#streams.keys()) this.disconnect(username)
  }

  /** Events up to a position are not kept any longer: who has not read them gets a `reset`. */
  trim(position: number): void {
    this.#oldest = position + 1
    this.events.splice(0, Infinity, ...this.events.filter((event) => event.position > position))
  }

  get cursor(): string {
    return this.#cursorAt(this.position)
  }

  page(username: string, after: string): Response {
    const items = this.#since(username, after).map(({ event, data, position }) => ({
      event,
      data,
      cursor: this.#cursorAt(position)
    }))
    return json({ items, cursor: this.cursor })
  }

  stream(username: string, deviceId: string, after: string | null): Response {
    const ready = { cursor: this.cursor, deviceId, keepaliveSeconds: 15 }
    const past = after === null ? [] : this.#since(username, after)
    const isLost = after !== null && after !== '0' && !this.#isKept(after)
    const begin = isLost ? this.#cursorAt(this.#oldest - 1) : (after ?? this.cursor)
    const lost = isLost ? [`id: ${begin}\n${frame('reset', { position: this.#oldest })}`] : []
    const frames = past.map((logged) => this.#durable(logged))
    const first = [`id: ${begin}\n${frame('ready', ready)}`, ...lost, ...frames]
    const streams = this.#streams.get(username) ?? new Set()
    this.#streams.set(username, streams)
    let own: ReadableStreamDefaultController<Uint8Array>
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        own = controller
        streams.add(controller)
        controller.enqueue(new TextEncoder().encode(first.join('')))
      },
      cancel: () => void streams.delete(own)
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  }

  #since(username: string, after: string): LoggedEvent[] {
    const from = after.startsWith(this.#epoch) ? Number(after.replace(`${this.#epoch}-`, '')) : 0
    return this.events.filter(({ users, position }) => users.has(username) && position > from)
  }

  #isKept(cursor: string): boolean {
    return cursor.startsWith(this.#epoch) && Number(cursor.replace(`${this.#epoch}-`, '')) >= this.#oldest - 1
  }

  #durable({ position, event, data }: LoggedEvent): string {
    return `id: ${this.#cursorAt(position)}\n${frame(event, data)}`
  }

  #cursorAt(position: number): string {
    return `${this.#epoch}-${position}`
  }
}

function frame(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
