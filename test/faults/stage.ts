import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../support/eventually.js'
import { conversation, user } from '../support/people.js'
import type { Postgres } from '../support/postgres.js'
import { startServer, type Scope, type ServerProcess } from '../support/server-process.js'
import type { EventStream } from '../support/interop/events.js'
import { generateKeys } from '../support/interop/crypto.js'
import { expect } from '../support/interop/http.js'
import type { InteropClient } from '../support/interop/client.js'
import { BadNetwork } from './bad-network.js'
import type { Ground } from './ground.js'

const SERVERS = 3
const WRITERS = 3
/** Before and after a fault. */
const CALM_MS = 1000

/** The outcome of a fault. */
export interface Outcome {
  /** Messages that were answered with 201 or 200 meanwhile. */
  accepted: number
  /** The longest that a reader got nothing, in milliseconds, while messages were sent all the time. */
  silence: number
  /** Messages that were lost, doubled, out of order, or read by somebody who may not read them. */
  wrong: string[]
}

interface Reader {
  client: InteropClient
  stream: EventStream
}

/**
 * Three servers on one PostgreSQL; a member of a group at each of them, who writes and reads all the time;
 * and somebody who is in no group and must hear nothing. Members come through networks that can be made bad.
 */
export class Stage {
  readonly owner: Scope
  readonly ground: Ground
  readonly postgres: Postgres
  readonly databaseUrl: string
  readonly servers: readonly ServerProcess[]
  readonly networks: readonly BadNetwork[]
  readonly #members: readonly Reader[]
  readonly #outsider: Reader
  readonly #group: string
  /** Where each message stands that was answered. */
  readonly #accepted = new Map<string, number>()
  #count = 0

  private constructor(
    owner: Scope,
    ground: Ground & { postgres: Postgres },
    databaseUrl: string,
    servers: readonly ServerProcess[],
    networks: readonly BadNetwork[],
    members: readonly Reader[],
    outsider: Reader,
    group: string
  ) {
    this.owner = owner
    this.ground = ground
    this.postgres = ground.postgres
    this.databaseUrl = databaseUrl
    this.servers = servers
    this.networks = networks
    this.#members = members
    this.#outsider = outsider
    this.#group = group
  }

  static async set(owner: Scope, ground: Ground & { postgres: Postgres }): Promise<Stage> {
    const { postgres, env = {} } = ground
    const databaseUrl = await postgres.newDatabase()
    const start = () => startServer(owner, { databaseUrl, nodeOptions: [], env })
    const servers = [await start(), ...(await Promise.all(Array.from({ length: SERVERS - 1 }, start)))]
    const networks = await Promise.all(servers.map(({ port }) => BadNetwork.open(owner, port)))
    const clients: InteropClient[] = []
    for (const [n, network] of networks.entries())
      clients.push(
        await user(owner, network, `member-${n}`, { keys: await generateKeys(), connections: WRITERS })
      )
    const group = await conversation(clients[0]!, clients.slice(1))
    for (const client of clients.slice(1)) await client.fetchKeys(group)
    const outsider = await user(owner, servers[0]!, 'outsider')
    await conversation(outsider, [])
    const reader = async (client: InteropClient) => ({ client, stream: await client.live() })
    const members = await Promise.all(clients.map(reader))
    return new Stage(owner, ground, databaseUrl, servers, networks, members, await reader(outsider), group)
  }

  get members(): readonly InteropClient[] {
    return this.#members.map(({ client }) => client)
  }

  /**
   * Have everybody write while something goes wrong, and see what became of it.
   *
   * @param pauseMs how long each writer rests between two messages
   */
  async suffer(fault: (stage: Stage) => Promise<void>, pauseMs = 0): Promise<Outcome> {
    const before = this.#accepted.size
    const watches = this.#members.map(({ stream }) => new Watch(stream))
    let isOver = false
    const writers = this.members.flatMap((client) =>
      Array.from({ length: WRITERS }, async () => {
        for (; !isOver; await sleep(pauseMs)) await this.#write(client)
      })
    )
    const written = Promise.all(writers)
    // It is waited for below; until then its failure is nobody's.
    written.catch(() => undefined)
    try {
      await sleep(CALM_MS)
      await fault(this)
      await sleep(CALM_MS)
    } finally {
      isOver = true
    }
    await written
    const silence = Math.max(...watches.map((watch) => watch.stop()))
    return { accepted: this.#accepted.size - before, silence, wrong: await this.#judge() }
  }

  async #write(client: InteropClient): Promise<void> {
    const sealed = client.seal(this.#group, `message ${++this.#count}`)
    const { body } = expect(await client.sendSurely(this.#group, sealed), 200, 201)
    this.#accepted.set(sealed.id, body.position)
  }

  /** Accepted = stored = delivered, once, in order, to exactly those who may read it. */
  async #judge(): Promise<string[]> {
    const wrong: string[] = []
    const stored = await this.members[0]!.history(this.#group)
    const places = new Map(stored.map(({ id, position }) => [id, position]))
    if (places.size !== stored.length) wrong.push('a message is stored twice')
    if (!isRising(stored.map(({ position }) => position))) wrong.push('the history is out of order')
    for (const [id, position] of this.#accepted)
      if (places.get(id) !== position) wrong.push(`${id} was accepted at ${position}, and is not there`)
    if (places.size !== this.#accepted.size)
      wrong.push(`${this.#accepted.size} messages were accepted, and ${places.size} stored`)
    for (const { client, stream } of this.#members) {
      const last = stored.at(-1)?.position
      const hasAll = () => stream.received.some(({ data }) => data['position'] === last)
      await eventually(hasAll).catch(() => undefined)
      const heard = stream.received.filter(({ event }) => event === 'message')
      const ids = new Set(heard.map(({ data }) => data['id']))
      const missing = stored.filter(({ id }) => !ids.has(id)).length
      if (missing > 0) wrong.push(`${missing} messages never came to ${client.username}`)
      if (ids.size !== heard.length) wrong.push(`${client.username} heard one twice`)
      if (!isRising(heard.map(({ data }) => Number(data['position']))))
        wrong.push(`${client.username} heard them out of order`)
    }
    if (this.#outsider.stream.received.some(({ event }) => event === 'message'))
      wrong.push('somebody who is not in the group heard a message')
    return wrong.slice(0, 5)
  }
}

/** Notes the longest time in which nothing comes. */
class Watch {
  #longest = 0
  #last = performance.now()
  readonly #timer: NodeJS.Timeout

  constructor(stream: EventStream) {
    let seen = stream.received.length
    this.#timer = setInterval(() => {
      if (stream.received.length === seen) return
      seen = stream.received.length
      this.#note()
    }, 5)
  }

  stop(): number {
    clearInterval(this.#timer)
    this.#note()
    return this.#longest
  }

  #note(): void {
    const now = performance.now()
    this.#longest = Math.max(this.#longest, now - this.#last)
    this.#last = now
  }
}

function isRising(values: readonly number[]): boolean {
  return values.every((value, at) => at === 0 || value > values[at - 1]!)
}
