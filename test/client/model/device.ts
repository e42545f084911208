import { ChatClient } from '../../../src/client/client.js'
import { ChatError } from '../../../src/client/errors.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import type { ChatEvent } from '../../../src/client/types/events.js'
import type { Person, World } from './world.js'

/** A client of the SDK on a store of its own. It reads its events when a step says so. */
export class Device {
  readonly world: World
  readonly person: Person
  readonly label: string
  readonly store: MemoryStore
  readonly heard: ChatEvent[] = []
  chat!: ChatClient
  /** Hashes of session keys that it has destroyed because its person said so. */
  readonly forgotten = new Set<string>()
  #isForgetting = false

  constructor(world: World, person: Person, label: string, store = new MemoryStore()) {
    this.world = world
    this.person = person
    this.label = label
    this.store = store
  }

  async open(): Promise<void> {
    const { server, clock } = this.world
    this.chat = await ChatClient.open({
      url: 'http://fake',
      store: this.store,
      fetch: server.fetch,
      now: clock,
      random: () => 0,
      rsaKeyBits: 2048
    })
  }

  /** The process ends, and another begins on the same store. */
  async restart(): Promise<void> {
    await this.chat.close()
    await this.open()
  }

  get id(): string {
    return this.chat.account?.deviceId ?? ''
  }

  /** Whether the device talks for its person. */
  get isActive(): boolean {
    const { account } = this.chat
    const user = this.world.server.users.get(this.person.name)
    const bound = account && user?.history?.devices.get(account.fingerprint)
    return account?.status === 'active' && bound?.retired === null
  }

  /** Whether it may lack a session key that was made for it. */
  mayLack(hash: string): boolean {
    return this.#isForgetting || this.forgotten.has(hash)
  }

  /** Do something that destroys the session keys of the past. */
  async forgetWith<T>(work: () => Promise<T>): Promise<T> {
    this.#isForgetting = true
    try {
      return await work()
    } finally {
      this.#isForgetting = false
      for (const { keys } of this.world.server.conversations.values())
        for (const { hash } of keys) this.forgotten.add(hash)
    }
  }

  /** Read the events that the server shows by now, then let go. */
  async read(): Promise<void> {
    try {
      for await (const event of this.chat.events()) {
        if (event.type === 'disconnected') {
          if (event.error !== undefined) throw event.error
          break
        }
        this.heard.push(event)
        this.world.see(this, event)
      }
    } catch (error) {
      if (!(error instanceof ChatError)) throw error
      if (error.kind !== 'logged-out') throw error
    }
    await this.chat.flush().catch((error: unknown) => {
      if (!(error instanceof ChatError)) throw error
    })
  }
}
