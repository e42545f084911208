import { openKey } from '../../support/puppet-keys.js'
import { json, problem } from '../../support/fake-answers.js'
import { TIME, type FakeUser } from '../../support/fake-user.js'
import type { FakeRequest } from '../../support/fake-world.js'
import { hijack } from '../../support/malicious-server.js'
import type { PuppetDevice } from '../../support/puppet.js'
import { statementHash } from '../../../src/crypto/statements.js'
import type { NewSessionKey } from '../../../src/protocol/conversations.js'
import type { NewMessage } from '../../../src/protocol/messages.js'
import type { ProblemCode } from '../../../src/protocol/problems.js'
import { streamOf, type EventPage } from './ending-stream.js'
import type { World } from './world.js'

/** How the server answers one device's requests of a kind, instead of doing them. */
export interface FalseAnswer {
  path: RegExp
  /** A refusal, or a confirmation in the form of the true one. */
  says: ProblemCode | 'done'
  /** Whether the request takes effect all the same. */
  isDone: boolean
}

/** What the server tells one device, each time it asks. */
export class Lies {
  /** Other users' chains in the place of the true ones, by name. */
  readonly users = new Map<string, FakeUser>()
  /** How many statements it shows of a conversation's chain, by id. */
  readonly chains = new Map<string, number>()
  /** Events that it leaves out, by type, and messages that it leaves out of history, each third. */
  readonly hidden = new Set<string>()
  /** How many old events it shows once more at the end of each page, and whether as new ones. */
  replay = { count: 0, isNew: false }
  answer: FalseAnswer | null = null
  /** Users' chains whose last statements it streams, once. */
  news: FakeUser[] = []
}

/** The lies of a server: to each device its own. Without any it is honest. */
export class Liar {
  readonly #world: World
  readonly #lies = new Map<string, Lies>()
  /** Whether it takes messages under any session key, and streams them to all members. */
  takesAll = false
  /** Devices whose private keys the server has. */
  readonly #evil: PuppetDevice[] = []

  constructor(world: World) {
    this.#world = world
    const { server } = world
    server.view = (username, { deviceId }) =>
      this.#lies.get(deviceId ?? '')?.users.get(username) ?? server.users.get(username)
    server.lies.unshift((request) => this.#answer(request))
  }

  /** What the server tells a device. */
  to(deviceId: string): Lies {
    let lies = this.#lies.get(deviceId)
    if (lies === undefined) this.#lies.set(deviceId, (lies = new Lies()))
    return lies
  }

  /** From now on the server is honest to a device, or to all. */
  stop(deviceId?: string): void {
    if (deviceId !== undefined) return void this.#lies.delete(deviceId)
    this.#lies.clear()
    this.takesAll = false
  }

  /** A device sees nothing new any more, and is heard as before. */
  async freeze(deviceId: string): Promise<void> {
    const { users, conversations } = this.#world.server
    const lies = this.to(deviceId)
    for (const [username, user] of users) lies.users.set(username, await user.fork(user.statements.length))
    for (const { id, requests } of conversations.values()) lies.chains.set(id, requests)
    for (const type of ['message', 'device.chain', 'conversation.chain', 'conversation.created'])
      lies.hidden.add(type)
    this.takesAll = true
    this.#world.server.endsSessions = false
  }

  /** A user's chain with an identity of the server at its end, or as it was. */
  async hijacked(user: FakeUser): Promise<FakeUser> {
    const fork = await user.fork(user.statements.length)
    this.#evil.push(await hijack(fork))
    return fork
  }

  /** Whether the server can open a session key that a device posts. */
  async opens({ id, statement, wraps }: NewSessionKey): Promise<boolean> {
    const key = { id, statement, hash: await statementHash(statement.text), added: new Map() }
    const byDevice = new Map(wraps.map(({ deviceId, wrappedKey }) => [deviceId, wrappedKey]))
    for (const device of this.#evil)
      if ((await openKey({ ...key, wraps: byDevice }, device)) !== null) return true
    return false
  }

  /** Whether the server shows a device less of a user's chain than it has there, and nothing else. */
  cuts(deviceId: string, username: string, known: number): boolean {
    const { users, answer } = this.#lies.get(deviceId) ?? new Lies()
    const [shown, truth] = [users.get(username), this.#world.server.users.get(username)]
    if (shown === undefined || answer?.path.test('POST /v1/users/chains') === true) return false
    return (
      shown.statements.length < known && truth?.history?.hashes[shown.statements.length - 1] === shown.head
    )
  }

  async #answer(request: FakeRequest): Promise<unknown> {
    const { method, path, honest } = request
    if (this.takesAll && path.endsWith('/messages') && method === 'POST') this.#take(request)
    const lies = this.#lies.get(request.deviceId ?? '')
    if (lies === undefined) return undefined
    const { answer } = lies
    if (answer?.path.test(`${method} ${path}`) === true) {
      if (answer.isDone) await honest()
      return answer.says === 'done' ? this.#confirmation(request) : problem(answer.says)
    }
    if (method !== 'GET') return undefined
    if (path === '/v1/events') return this.#events(lies, request)
    const [, id, part] = /^\/v1\/conversations\/([^/]+)\/(chain|messages)$/.exec(path) ?? []
    if (part === 'chain' && lies.chains.has(id!)) return this.#chain(request, id!, lies.chains.get(id!)!)
    if (part === 'messages' && lies.hidden.has('history')) {
      const page = (await (await honest()).json()) as { items: object[] }
      return { ...page, items: page.items.filter((_, at) => at % 3 !== 1) }
    }
    return undefined
  }

  /** The honest server finds the message there, and confirms it. */
  #take({ path, body, username, deviceId }: FakeRequest): void {
    const { log, users, conversations } = this.#world.server
    const conversation = conversations.get(path.split('/')[3]!)
    const message = body as NewMessage
    if (!conversation || conversation.messages.some(({ id }) => id === message.id)) return
    const sender = { userId: users.get(username!)!.id, username: username!, deviceId: deviceId! }
    const data = { ...message, conversationId: conversation.id, sender, createdAt: TIME }
    const position = log.append(conversation.members.keys(), 'message', data)
    conversation.messages.push({ ...data, position })
    conversation.lastPosition = position
  }

  #confirmation({ method, path, body }: FakeRequest): Response | undefined {
    const position = this.#world.server.log.position
    if (/\/(chain|session-keys)$/.test(path))
      return json({ head: 'ab'.repeat(32), sequence: 2, lastPosition: position }, 201)
    const receipt = ({ id }: { id: string }) => ({ id, position, createdAt: TIME })
    const { id, messages } = body as { id: string; messages: { id: string }[] }
    if (path.endsWith('/messages')) return json(receipt({ id }), 201)
    if (path.endsWith('/batch'))
      return json({ items: messages.map((one) => ({ id: one.id, status: 201, receipt: receipt(one) })) })
    return method === 'GET' ? undefined : new Response(null, { status: 204 })
  }

  async #chain({ honest }: FakeRequest, id: string, count: number): Promise<unknown> {
    const whole = (await (await honest()).json()) as { items: { text: string }[] }
    const fork = await this.#world.server.conversations.get(id)?.fork(count, this.#world.server.users)
    if (fork === undefined) return undefined
    const shown = new Set(fork.statements.map(({ text }) => text))
    return { ...whole, head: fork.head, items: (whole.items ?? []).filter(({ text }) => shown.has(text)) }
  }

  async #events(
    { hidden, replay, news }: Lies,
    { headers, username, deviceId }: FakeRequest
  ): Promise<unknown> {
    const { log } = this.#world.server
    const after = headers.get('last-event-id')
    const page = (await log.page(username!, after ?? log.cursor).json()) as EventPage
    const items = page.items.filter(({ event }) => !hidden.has(event))
    const old = log.events.filter(({ users }) => users.has(username!)).slice(-replay.count || Infinity)
    for (const { event, data } of replay.isNew || after !== null ? old : []) {
      const position = replay.isNew ? ++log.position : undefined
      const shown = position === undefined ? data : { ...data, position }
      items.push({ event, data: shown, cursor: log.cursor })
    }
    for (const { id: userId, username, statements } of after === null ? [] : news.splice(0)) {
      const chain = { userId, username, sequence: statements.length, statement: statements.at(-1)! }
      const position = ++log.position
      items.push({ event: 'device.chain', data: { ...chain, position }, cursor: log.cursor })
    }
    return streamOf({ items, cursor: log.cursor }, after, deviceId)
  }
}
