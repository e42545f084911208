import { ChatError } from '../../src/client/errors.js'
import { MemoryStore } from '../../src/client/stores/memory.js'
import type { ChatClient } from '../../src/client/client.js'
import type { StoreTransaction } from '../../src/client/stores/store.js'
import type { ChatEvent } from '../../src/client/types/events.js'
import type { Incoming } from '../../src/client/types/messages.js'
import type { Message } from '../../src/protocol/messages.js'
import { all } from './chat-clients.js'
import { fakeClient } from './fake-clients.js'
import { inShort, scene, type Scene } from './malicious-server.js'
import type { Speaker } from './puppet-talk.js'
import type { Scope } from './server-process.js'

/** A store that fails when it is to be written for the n-th time from now on. */
export class BreakingStore extends MemoryStore {
  breaksAt = 0

  override update<T>(work: (transaction: StoreTransaction) => T | Promise<T>): Promise<T> {
    if (this.breaksAt > 0 && --this.breaksAt === 0)
      return Promise.reject(new ChatError('store', 'store-lost', 'The store breaks.'))
    return super.update(work)
  }
}

/** A device, with the numbers that it has used. */
export interface Sender extends Speaker {
  name: string
  signingKey: string
  n: number
  /** Numbers that nobody has shown to Bob, and those whose messages were deleted. */
  hidden: number[]
  purged: Sent[]
  /** Numbers that were given up; their place is undefined until the void comes. */
  voids: Map<number, number | undefined>
  late: number[]
}

export interface Sent {
  by: Sender
  n: number
  message: Message
}

export type Item = ChatEvent | Incoming

/** One of the clients of Bob's store. It reads the stream as far as a test says. */
export class Reader {
  /** What was heard since this client was opened, or since the last reset. */
  runs: Item[][] = [[]]
  readonly chat: ChatClient
  readonly #events: AsyncIterator<ChatEvent, void, undefined>

  constructor(chat: ChatClient) {
    this.chat = chat
    this.#events = chat.events()[Symbol.asyncIterator]()
  }

  /** @param limit the client stops after this number of events, if it has not come so far */
  async read(id: string, limit = Infinity): Promise<void> {
    const hasHeard = () => this.runs.at(-1)!.some((item) => item.type === 'message' && item.id === id)
    for (let count = 0; count < limit && !hasHeard(); count++) {
      const { value, done } = await this.#events.next()
      if (done === true) throw new Error('the stream has ended')
      if (value.type === 'reset') this.runs.push([])
      else this.runs.at(-1)!.push(value)
    }
  }

  async close(): Promise<void> {
    await this.chat.close()
    await this.#events.return?.()
  }
}

/** Bob's store with two clients, and three senders, of whom two are devices of one user. */
export class GapScene {
  readonly log: string[] = []
  readonly sent: Sent[] = []
  readonly senders: Sender[] = []
  readonly store: BreakingStore
  readers: Reader[] = []
  /** These readers and those that were closed. */
  readonly all: Reader[] = []
  readonly reads: Item[][] = []
  /** Up to here the stream brings nothing any more to those who have not read it. */
  trimmed = 0
  readonly #owner: Scope
  readonly at: Scene

  constructor(owner: Scope, at: Scene, store: BreakingStore) {
    this.#owner = owner
    this.at = at
    this.store = store
  }

  static async open(owner: Scope): Promise<GapScene> {
    const store = new BreakingStore()
    const at = await scene(owner, ['alice', 'carol'], { store })
    const { talk, alice, carol } = at
    const laptop = await alice.add()
    await talk.change([], carol.device)
    await at.bob.conversations.get(talk.id)
    const made = new GapScene(owner, at, store)
    const add = (name: string, { user, device }: Speaker) => {
      const { fingerprint: signingKey } = device.signing
      const none = { n: 0, hidden: [], purged: [], voids: new Map<number, number>(), late: [] }
      made.senders.push({ name, user, device, signingKey, ...none })
    }
    add('phone', alice)
    add('laptop', { user: alice.user, device: laptop })
    add('carol', carol)
    made.readers = [await made.#reader(), await made.#reader()]
    for (const reader of made.readers) await reader.read('', 1)
    return made
  }

  async say(by: Sender, isStreamed = true): Promise<Sent> {
    const n = ++by.n
    const message = await this.at.talk.say(by, `${by.name} ${n}`, n, { isStreamed })
    const sent = { by, n, message }
    this.sent.push(sent)
    return sent
  }

  async giveUp(by: Sender, n: number): Promise<void> {
    const { position } = await this.at.talk.say(by, { type: 'void' }, n)
    by.voids.set(n, position)
  }

  /** Which of those that are left. */
  purge(which: number): void {
    const open = this.sent.filter((one) => !this.isPurged(one))
    const found = open[which % Math.max(1, open.length)]
    if (found === undefined) return
    this.at.talk.purge(found.message)
    found.by.purged.push(found)
  }

  /** A tombstone comes behind all that was said, beside its own place or instead of it. */
  leaveTombstone(which: number, isMoved: boolean): void {
    const { server, talk } = this.at
    const { deleted } = talk.conversation
    const own = deleted[which % Math.max(1, deleted.length)]
    if (own === undefined) return
    const position = ++server.log.position
    const message = { ...own, position }
    const kept = isMoved ? deleted.filter((one) => one !== own) : deleted
    talk.conversation.deleted = [...kept, message]
    const place = server.log.events.findIndex((event) => event.position === own.position)
    if (isMoved && place >= 0) server.log.events.splice(place, 1)
    server.log.append(['bob'], 'message.deleted', { conversationId: talk.id, position, message }, position)
  }

  placeOf(which: number): number {
    return this.sent[which % Math.max(1, this.sent.length)]?.message.position ?? 0
  }

  isPurged({ by, message }: Sent): boolean {
    return by.purged.some((one) => one.message.id === message.id)
  }

  async reopen(which: number): Promise<void> {
    await this.readers[which]!.close()
    this.store.breaksAt = 0
    this.readers[which] = await this.#reader()
  }

  /** A client reads the stream up to a message that is said now, or stops before. */
  async read(which: number, limit?: number): Promise<void> {
    const last = await this.say(this.senders[2]!)
    const reader = this.readers[which]!
    try {
      await reader.read(last.message.id, limit)
    } catch (error) {
      if (!(error instanceof ChatError && error.code === 'store-lost')) throw error
      await this.reopen(which)
    }
  }

  async history(which: number, range: Parameters<ChatClient['history']>[1]): Promise<Item[]> {
    const read = await all<Incoming>(this.readers[which]!.chat.history(this.at.talk.id, range))
    this.reads.push(read)
    return read
  }

  /** All that was heard of the stream. */
  heard(): Item[][] {
    return this.all.flatMap(({ runs }) => runs)
  }

  describe(): string {
    const lines = this.all.map(
      ({ runs }) => `stream: ${runs.map((run) => run.map(inShort).join(', ')).join(' | reset: ')}`
    )
    return [...this.log, ...lines, ...this.reads.map((read) => `read: ${read.map(inShort).join(', ')}`)].join(
      '\n'
    )
  }

  async #reader(): Promise<Reader> {
    const chat = await fakeClient(this.#owner, this.at.server, { store: this.store })
    const reader = new Reader(chat)
    this.all.push(reader)
    return reader
  }
}
