import fc from 'fast-check'
import t from 'tap'
import { ChatClient } from '../../src/client/client.js'
import type { MembersChanged } from '../../src/client/types/events.js'
import { ChatError } from '../../src/client/errors.js'
import { MemoryStore } from '../../src/client/stores/memory.js'
import { link, PASSWORD, textOf } from '../support/chat-clients.js'
import { eventually } from '../support/eventually.js'
import { useReadyKeys } from '../support/ready-keys.js'
import { startChat } from '../support/start-chat.js'

const NAMES = ['alice', 'bob', 'carol', 'dave'] as const
type Name = (typeof NAMES)[number]

/**
 * A step of a scenario; `device` is 0 for the first device, 1 for the second. Numbers out of range change
 * nothing.
 */
type Step =
  | { do: 'send'; who: Name; device: 0 | 1; times: number }
  | { do: 'add' | 'remove'; who: Name }
  | { do: 'pair' | 'revoke'; who: Name }
  | { do: 'rekey' | 'restart' | 'cut'; who: Name; device: 0 | 1 }

const who = fc.constantFrom(...NAMES)
const device = fc.constantFrom<(0 | 1)[]>(0, 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('send'), who, device, times: fc.integer({ min: 1, max: 4 }) })
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('add', 'remove'), who }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('pair', 'revoke'), who }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('rekey', 'restart', 'cut'), who, device }) }
)
/** Steps of one group happen at once. */
const story = fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { minLength: 6, maxLength: 10 })

/** A device as its user holds it: a client that listens, restarts on its store, and loses its connections. */
class Phone {
  readonly store = new MemoryStore()
  readonly heard: { text: string; position: number }[] = []
  readonly faults: string[] = []
  readonly members: MembersChanged[] = []
  chat!: ChatClient
  readonly #url: string
  #connections = new AbortController()
  #listening = new AbortController()
  #ended: Promise<void> = Promise.resolve()
  connected = 0

  constructor(url: string) {
    this.#url = url
  }

  async open(): Promise<ChatClient> {
    useReadyKeys()
    const fetch: typeof globalThis.fetch = (input, init) => {
      const signals = [this.#connections.signal, ...(init?.signal ? [init.signal] : [])]
      return globalThis.fetch(input, { ...init, signal: AbortSignal.any(signals) })
    }
    this.chat = await ChatClient.open({ url: this.#url, store: this.store, rsaKeyBits: 2048, fetch })
    return this.chat
  }

  async listen(): Promise<void> {
    this.#listening = new AbortController()
    const before = this.connected
    this.#ended = this.#follow(this.#listening.signal)
    await eventually(() => this.connected > before || this.faults.length > 0, 'connected')
  }

  async #follow(signal: AbortSignal): Promise<void> {
    try {
      for await (const event of this.chat.events({ signal })) {
        if (event.type === 'connected') this.connected++
        if (event.type === 'members') this.members.push(event)
        const text = textOf(event)
        if (text !== undefined && event.type === 'message')
          this.heard.push({ text, position: event.position })
        else if (['unreadable', 'withheld', 'reordered', 'untrusted'].includes(event.type))
          this.faults.push(JSON.stringify(event))
      }
    } catch (error) {
      if (!(error instanceof ChatError && error.kind === 'logged-out')) this.faults.push(String(error))
    }
  }

  /** All its connections break at once; the client makes new ones. */
  cut(): void {
    const broken = this.#connections
    this.#connections = new AbortController()
    broken.abort(new TypeError('fetch failed'))
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.open()
    await this.listen()
  }

  async stop(): Promise<void> {
    this.#listening.abort()
    await this.#ended
    await this.chat.close()
  }
}

interface Span {
  from: number
  to: number
}

/**
 * A group of which alice is the admin, and all the phones. The expected messages follow from those that
 * alice's phone saw.
 */
class World {
  readonly url: string
  readonly phones = new Map<Name, Phone[]>()
  /** The messages that each phone may receive at most, and those that it has to receive. */
  readonly may = new Map<Phone, Span>()
  readonly must = new Map<Phone, Span>()
  readonly confirmed: string[] = []
  group = ''
  #count = 0

  constructor(url: string) {
    this.url = url
  }

  get admin(): ChatClient {
    return this.phones.get('alice')![0]!.chat
  }

  async begin(): Promise<void> {
    for (const name of NAMES) {
      const phone = new Phone(this.url)
      await (await phone.open()).register({ username: name, password: PASSWORD })
      await phone.listen()
      this.phones.set(name, [phone])
      this.may.set(phone, { from: 0, to: Infinity })
      this.must.set(phone, { from: 0, to: Infinity })
    }
    this.group = (await this.admin.conversations.createGroup('all', ['bob'])).id
  }

  phone(name: Name, device: number): Phone | undefined {
    return this.phones.get(name)!.filter((phone) => this.may.get(phone)!.to === Infinity)[device]
  }

  async say(chat: ChatClient): Promise<number> {
    const text = `message ${++this.#count}`
    const { position } = await chat.send(this.group, text)
    this.confirmed.push(text)
    return position
  }

  async send(phone: Phone, times: number): Promise<void> {
    for (let left = times; left > 0; left--)
      await this.say(phone.chat).catch((error: unknown) => {
        const { kind, code } = error as ChatError
        // Its user is no member; or the connection was cut, and the message waits for the next one.
        if (code !== 'conversation-not-found' && kind !== 'unreachable') throw error
      })
  }

  async pair(name: Name): Promise<void> {
    const [first] = this.phones.get(name)!
    const from = await this.say(this.admin)
    const phone = new Phone(this.url)
    await link(first!.chat, await phone.open())
    await phone.listen()
    this.phones.get(name)!.push(phone)
    this.may.set(phone, { from, to: Infinity })
    this.must.set(phone, { from: await this.say(this.admin), to: Infinity })
  }

  async revoke(name: Name, phone: Phone): Promise<void> {
    await this.phones.get(name)![0]!.chat.devices.revoke(phone.chat.account!.deviceId)
    this.may.get(phone)!.to = await this.say(this.admin)
    this.must.get(phone)!.to = 0
  }

  /** When the users came and went, as positions, by the events that alice was shown. */
  spans(): Map<Name, Span[]> {
    const spans = new Map<Name, Span[]>(NAMES.map((name) => [name, []]))
    for (const name of ['alice', 'bob'] as const) spans.get(name)!.push({ from: 0, to: Infinity })
    for (const { change, username, position } of this.phones.get('alice')![0]!.members)
      if (change === 'added') spans.get(username as Name)!.push({ from: position, to: Infinity })
      else spans.get(username as Name)!.at(-1)!.to = position
    return spans
  }
}

async function happen(world: World, step: Step): Promise<void> {
  const phone = world.phone(step.who, 'device' in step ? step.device : step.do === 'add' ? 0 : 1)
  switch (step.do) {
    case 'add':
      return ignoring('already-member', world.admin.conversations.add(world.group, step.who))
    case 'remove':
      if (step.who !== 'alice')
        await ignoring('not-a-member', world.admin.conversations.remove(world.group, step.who))
      return
    case 'pair':
      return phone === undefined ? world.pair(step.who) : undefined
    case 'revoke':
      return phone && world.revoke(step.who, phone)
    case 'send':
      return phone && world.send(phone, step.times)
    case 'rekey':
      return phone && ignoring('unreachable', phone.chat.devices.rekey())
    case 'restart':
      return phone?.restart()
    case 'cut':
      return phone?.cut()
  }
}

async function ignoring(codeOrKind: string, work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    const { kind, code } = error as ChatError
    if (kind !== codeOrKind && code !== codeOrKind) throw error
  })
}

async function check(url: string, story: readonly (readonly Step[])[]): Promise<void> {
  const world = new World(url)
  try {
    await world.begin()
    for (const steps of story) {
      const alone = steps.filter((step) => step.do === 'pair' || step.do === 'revoke')
      for (const step of alone) await happen(world, step)
      const together = steps.filter((step) => !alone.includes(step))
      // A client is not restarted while it is in use.
      const restarts = together.filter((step) => step.do === 'restart')
      await Promise.all(
        together.filter((step) => !restarts.includes(step)).map((step) => happen(world, step))
      )
      for (const step of restarts) await happen(world, step)
    }
    await settle(world)
  } finally {
    for (const phones of world.phones.values()) for (const phone of phones) await phone.stop()
  }
}

/** Everything that waits is sent; then each phone has heard exactly what it should. */
async function settle(world: World): Promise<void> {
  for (const phones of world.phones.values())
    for (const phone of phones)
      if (world.may.get(phone)!.to === Infinity) await phone.chat.flush().catch(() => undefined)
  const last = await world.say(world.admin)
  const alice = world.phones.get('alice')![0]!
  await eventually(() => alice.heard.at(-1)?.position === last).catch(() => {
    throw new Error(`alice’s device 1 does not hear the last message; it says ${alice.faults.join()}`)
  })
  for (const text of world.confirmed)
    if (!alice.heard.some((heard) => heard.text === text)) throw new Error(`${text} was lost`)
  for (const [name, spans] of world.spans())
    for (const phone of world.phones.get(name)!) {
      const inSpans = (position: number) => spans.some(({ from, to }) => position > from && position < to)
      const within = ({ from, to }: Span) =>
        alice.heard
          .filter(({ position }) => position > from && position <= to && inSpans(position))
          .map(({ text }) => text)
      const must = within(world.must.get(phone)!)
      const may = within(world.may.get(phone)!)
      const device = `${name}’s device ${world.phones.get(name)!.indexOf(phone) + 1}`
      const heard = () => phone.heard.map(({ text }) => text)
      const missing = () => must.filter((text) => !heard().includes(text))
      await eventually(() => missing().length === 0, `${device} hears ${must.join()}`).catch(() => {
        throw new Error(`${device} misses ${missing().join()}; it says ${phone.faults.join()}`)
      })
      const order = heard().filter((text) => may.includes(text))
      if (new Set(heard()).size < heard().length) throw new Error(`${device} reads twice: ${heard().join()}`)
      const extra = heard().filter((text) => !may.includes(text))
      if (extra.length > 0) throw new Error(`${device} reads what it must not: ${extra.join()}`)
      if (order.join() !== may.filter((text) => order.includes(text)).join())
        throw new Error(`${device} reads in another order: ${order.join()}`)
      if (phone.faults.length > 0) throw new Error(`${device} says ${phone.faults.join()}`)
      // Keys of the time before it came may still be under way to it.
      let fault: unknown
      const reads = () =>
        history(world, phone, spans, device).then(
          () => true,
          (error: unknown) => ((fault = error), false)
        )
      await eventually(reads).catch(() => {
        throw fault
      })
    }
}

/** A member's device reads all of the history that its user may see, also what was said before it came. */
async function history(world: World, phone: Phone, spans: Span[], device: string): Promise<void> {
  if (world.may.get(phone)!.to !== Infinity || spans.at(-1)?.to !== Infinity) return
  const read: string[] = []
  for await (const item of phone.chat.history(world.group, { after: 0 })) {
    const text = textOf(item)
    if (text !== undefined) read.push(text)
    else if (item.type !== 'message')
      throw new Error(`${device} finds ${JSON.stringify(item)} in its history`)
  }
  const expected = world.phones
    .get('alice')![0]!
    .heard.filter(({ position }) => spans.some(({ from, to }) => position > from && position < to))
  if (read.join() !== expected.map(({ text }) => text).join())
    throw new Error(`${device} reads the history ${read.join()}`)
}

t.test('Everyone who should read a message reads it exactly once, and nobody else can', async (t) => {
  // They are the same each time, unless an environment variable asks for a number of others. A failure names its
  // seed and path: give them to `fc.assert` to see it again.
  const others = process.env['STORIES']
  const numRuns = Number(others ?? (process.env['FULL'] === '1' ? 5 : 1))
  const seed = others === undefined ? { seed: 1 } : {}
  let stories = 0
  const property = fc.asyncProperty(story, async (steps) => {
    stories++
    await t.test(`story ${stories}`, async (t) => {
      const { url } = await startChat(t)
      t.comment(JSON.stringify(steps))
      await t.resolves(check(url, steps))
    })
  })
  await fc.assert(property, { numRuns, endOnFailure: true, ...seed })
  t.equal(stories, numRuns)
})
