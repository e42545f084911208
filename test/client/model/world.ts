import { ChatError } from '../../../src/client/errors.js'
import type { ChatEvent } from '../../../src/client/types/events.js'
import type { MemoryStore } from '../../../src/client/stores/memory.js'
import { FakeServer } from '../../support/fake-server.js'
import { Device } from './device.js'
import { endingStream } from './ending-stream.js'

/** A person with all devices that they ever had. */
export interface Person {
  readonly name: string
  readonly devices: Device[]
  /** The recovery code of the newest backup. */
  code: string | null
}

/** Broken promises end a run. The message is the log of its steps. */
export class Broken extends Error {
  override readonly name = 'Broken'
}

/** Watches a run. Each check throws by `World.broken`. */
export interface Watch {
  event?: (device: Device, event: ChatEvent) => void
  /** A step has ended. @param outcome `done`, or the code of its error */
  ended?: (step: string, outcome: string, error: unknown) => void | Promise<void>
}

/** People with real clients on a server in memory, and the log of all that they did. */
export class World {
  readonly server = new FakeServer()
  readonly people: Person[] = []
  readonly log: string[] = []
  readonly watches: Watch[] = []
  /** Whether steps that go well are left out of the log. */
  isBrief = false
  /** Milliseconds since 1970. */
  time = Date.parse('2026-01-31T12:00:00.000Z')
  readonly clock = (): number => this.time
  #texts = 0
  /** The first broken promise. A client takes what is thrown within its `fetch` for a broken connection. */
  #found: Broken | undefined

  constructor() {
    this.server.lies.push(endingStream(this.server))
  }

  get devices(): Device[] {
    return this.people.flatMap(({ devices }) => devices)
  }

  /** Ids, oldest first. */
  get conversations(): string[] {
    return [...this.server.conversations.keys()]
  }

  /** Those that a person is in, by the server's word. */
  conversationsOf({ name }: Person): string[] {
    return this.conversations.filter((id) => this.server.conversations.get(id)!.members.has(name))
  }

  /** A short name for a conversation: g1, d2, s3. */
  nameOf(id: string): string {
    const kind = this.server.conversations.get(id)?.history.chain?.kind ?? 'x'
    return `${kind[0]}${this.conversations.indexOf(id) + 1}`
  }

  person(name: string): Person {
    return this.people.find((person) => person.name === name)!
  }

  /** A text that no other message has. */
  text(): string {
    return `text ${++this.#texts}`
  }

  addPerson(name: string): Person {
    const person: Person = { name, devices: [], code: null }
    this.people.push(person)
    return person
  }

  /** @param store of another process of the same device */
  async addDevice(person: Person, store?: MemoryStore): Promise<Device> {
    const device = new Device(this, person, `${person.name}${person.devices.length + 1}`, store)
    await device.open()
    person.devices.push(device)
    return device
  }

  see(device: Device, event: ChatEvent): void {
    for (const watch of this.watches) watch.event?.(device, event)
  }

  /** Do one step, and note it. Errors of the SDK are outcomes. */
  async step(what: string, work: () => Promise<unknown>): Promise<string> {
    const at = this.log.push(what) - 1
    let outcome = 'done'
    let failure: unknown
    try {
      const result = await work()
      if (typeof result === 'string') outcome = `done: ${result}`
    } catch (error) {
      if (!(error instanceof ChatError)) throw error
      failure = error
      outcome = error.code
    }
    if (this.#found !== undefined) throw this.#found
    if (outcome === 'done' && this.isBrief) this.log.splice(at, 1)
    else this.log[at] = `${what} → ${outcome}`
    for (const watch of this.watches) await watch.ended?.(what, outcome, failure)
    return outcome
  }

  note(line: string): void {
    this.log.push(line)
  }

  /** @throws {Broken} */
  broken(why: string): never {
    this.#found ??= new Broken(
      `${why}\n${this.log.map((line, at) => `${String(at + 1).padStart(4)}. ${line}`).join('\n')}\n`
    )
    throw this.#found
  }

  async close(): Promise<void> {
    for (const { chat } of this.devices) await chat.close()
  }
}
