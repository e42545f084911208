import type { ChatClient } from '../../../src/client/client.js'
import type { ChatEvent } from '../../../src/client/types/events.js'
import type { Incoming, IncomingMessage } from '../../../src/client/types/messages.js'
import { statementHash } from '../../../src/crypto/statements.js'
import type { UserChainsRequest } from '../../../src/protocol/accounts.js'
import type { NewSessionKey } from '../../../src/protocol/conversations.js'
import type { QueuedMessage } from '../../../src/client/outbox/state.js'
import type { NewMessage } from '../../../src/protocol/messages.js'
import type { FakeRequest } from '../../support/fake-world.js'
import type { Device } from './device.js'
import { knowledgeOf, type Knowledge } from './knowledge.js'
import type { Liar } from './liar.js'
import type { World } from './world.js'

/** A message as it was posted first. */
interface Posted {
  username: string
  round: number
}

/** What must hold whatever the server says. Knowledge counts from the round after it was learned. */
export class Oracles {
  readonly #world: World
  readonly #liar: Liar
  #round = 0
  readonly #known = new Map<Device, Knowledge>()
  /** The round in which a device knew first that another has gone, of a conversation, or of a removal. */
  readonly #since = new Map<Device, Map<string, number>>()
  /** The devices that a session key was wrapped for, by the hash of its statement. */
  readonly #readers = new Map<string, readonly string[]>()
  /** By conversation, id and device of the sender. */
  readonly #posted = new Map<string, Posted>()
  /** By signature: a message that is sent again is no new one. */
  readonly #sealed = new Set<string>()
  /** What waited to be sent after the round before, and in which process, by signature. */
  readonly #waiting = new Map<Device, { chat: ChatClient; signatures: ReadonlySet<string> }>()
  /** What was shown under a message's name, and to whom first. */
  readonly #shown = new Map<string, { content: string; label: string }>()
  /** Session keys that devices had after the round before. */
  readonly #keys = new Map<Device, readonly string[]>()
  /** How often in a row a client was shown less of a user's chain than it has. */
  readonly #cuts = new Map<ChatClient, Map<string, number>>()
  /** Users whose chains the server showed cut to a client, up to the round before, at two looks in a row. */
  readonly #behind = new Map<ChatClient, ReadonlySet<string>>()

  constructor(world: World, liar: Liar) {
    this.#world = world
    this.#liar = liar
    world.server.witness = (request) => this.#posting(request)
    world.watches.push({ event: (device, event) => this.#showing(device, event) })
  }

  /** Take note of all that was before. */
  async begin(): Promise<void> {
    for (const request of this.#world.server.seen) await this.#posting(request)
    await this.endRound()
  }

  /** A group of steps has ended. */
  async endRound(): Promise<void> {
    this.#round++
    for (const device of this.#world.devices) {
      await this.#requireKeys(device)
      await this.#learn(device)
      await this.#noteWaiting(device)
      const cut = [...(this.#cuts.get(device.chat) ?? [])].filter(([, looks]) => looks > 1)
      this.#behind.set(device.chat, new Set(cut.map(([username]) => username)))
    }
  }

  async #learn(device: Device): Promise<void> {
    const known = await knowledgeOf(device)
    this.#known.set(device, known)
    const since = this.#since.get(device) ?? new Map<string, number>()
    this.#since.set(device, since)
    const removals = [...known.removed].flatMap(([id, users]) =>
      [...users].map(([username, { sequence }]) => removalName(id, username, sequence))
    )
    const names = new Set([...known.gone, ...known.removed.keys(), ...removals])
    for (const name of names) if (!since.has(name)) since.set(name, this.#round)
    for (const name of since.keys()) if (!names.has(name)) since.delete(name)
  }

  /** A process that begins can't know whether what waits has left in the one before: it is no new message. */
  async #noteWaiting(device: Device): Promise<void> {
    const { store, chat } = device
    const queued = await store.list<QueuedMessage>('outbox/')
    const signatures = new Set(queued.flatMap(([, { sealed }]) => (sealed ? [sealed.signature] : [])))
    if (chat !== this.#waiting.get(device)?.chat) for (const one of signatures) this.#sealed.add(one)
    this.#waiting.set(device, { chat, signatures })
  }

  #isNew(device: Device, { signature }: NewMessage): boolean {
    const waiting = this.#waiting.get(device)
    const isOfBefore = waiting?.signatures.has(signature) === true && waiting.chat !== device.chat
    return !isOfBefore && !this.#sealed.has(signature)
  }

  /** No key is destroyed but by the person, or once the device's own chain says that it has gone. */
  async #requireKeys(device: Device): Promise<void> {
    const now = (await device.store.list('key/')).map(([name]) => name)
    const lost = (this.#keys.get(device) ?? []).filter((name) => !now.includes(name))
    this.#keys.set(device, now)
    const kept = lost.find((name) => !device.mayLack(name.split('/')[2]!))
    if (kept !== undefined && device.isActive) this.#world.broken(`${device.label} has lost ${kept}`)
  }

  /** A client looks at users' chains. A look that shows another thing than less lifts what was. */
  #looking(device: Device, users: readonly { username: string; after: number }[]): void {
    const cuts = this.#cuts.get(device.chat) ?? new Map<string, number>()
    this.#cuts.set(device.chat, cuts)
    for (const { username, after } of users)
      if (this.#liar.cuts(device.id, username, after)) cuts.set(username, (cuts.get(username) ?? 0) + 1)
      else cuts.delete(username)
  }

  async #posting({ method, path, query, body, username, deviceId }: FakeRequest): Promise<void> {
    const [, id, what] = /^\/v1\/conversations(?:\/([^/]+))?(?:\/(.*))?$/.exec(path) ?? []
    const { key, messages } = (body ?? {}) as { key?: NewSessionKey; messages?: NewMessage[] }
    const device = this.#world.devices.find((one) => one.id === deviceId)
    if (path === '/v1/users/chains' && device !== undefined && !query.has('cursor'))
      this.#looking(device, (body as UserChainsRequest).users)
    if (method !== 'POST' || path.startsWith('/v1/users')) return
    if (typeof key === 'object') await this.#noteKey(username!, key)
    if (what === 'session-keys') await this.#noteKey(username!, body as NewSessionKey)
    if (what !== 'messages' && what !== 'messages/batch') return
    for (const message of messages ?? [body as NewMessage]) {
      const name = `${id} ${message.id} ${deviceId}`
      if (!this.#posted.has(name)) this.#posted.set(name, { username: username!, round: this.#round })
      if (device === undefined || !this.#isNew(device, message)) continue
      this.#sealed.add(message.signature)
      await this.#requireReaders(device, id!, message.key)
    }
  }

  async #noteKey(username: string, key: NewSessionKey): Promise<void> {
    const { statement, wraps } = key
    if (await this.#liar.opens(key)) this.#world.broken(`the server can open a session key of ${username}`)
    const hash = await statementHash(statement.text)
    this.#readers.set(
      hash,
      wraps.map(({ deviceId }) => deviceId)
    )
  }

  /** Nobody who is gone, as far as the sender knows, can read what it seals. */
  async #requireReaders(device: Device, id: string, key: string): Promise<void> {
    const known = this.#known.get(device)
    const why = `${device.label} seals in ${this.#world.nameOf(id)} for`
    for (const reader of this.#readers.get(key) ?? []) {
      const found = this.#ownerOf(reader)
      if (found === undefined) this.#world.broken(`${why} a device that nobody has`)
      const { username, signingKey } = found
      if (known?.gone.has(signingKey) === true)
        this.#world.broken(`${why} a device of ${username} that has gone`)
      if (known?.removed.get(id)?.get(username)?.isBack === false && !(await isBackNow(device, id, username)))
        this.#world.broken(`${why} ${username}, who was removed`)
      if (this.#isCut(device, username)) this.#world.broken(`${why} ${username}, whose chain is shown cut`)
    }
  }

  /** Whether the client knows since the round before that the server has taken back what it had shown of a user. */
  #isCut({ chat }: Device, username: string): boolean {
    return this.#behind.get(chat)?.has(username) === true && this.#cuts.get(chat)?.has(username) === true
  }

  /** A person's device by its id, retired or not. */
  #ownerOf(deviceId: string): { username: string; signingKey: string } | undefined {
    for (const { username, history } of this.#world.server.users.values())
      for (const { id, signingKey } of history?.devices.values() ?? [])
        if (id === deviceId) return { username, signingKey }
    return undefined
  }

  #showing(device: Device, event: ChatEvent | Incoming): void {
    if (event.type !== 'message') return
    const { conversationId, id, from } = event
    const name = `${conversationId} ${id} ${from.deviceId}`
    const posted = this.#posted.get(name)
    const words = `${device.label} is shown “${textOf(event)}” as by ${from.username}`
    if (posted?.username !== from.username) this.#world.broken(`${words}, who has not sent it`)
    const since = (name: string) => this.#since.get(device)?.get(name) ?? Infinity
    // A client that meets a conversation after that can't tell its past from what is made up: it is marked.
    const isWrong = (gone: number) =>
      posted.round >= gone && !(event.departed && since(conversationId) >= gone)
    if (isWrong(since(from.signingKey))) this.#world.broken(`${words}, of a device that it knew to be gone`)
    const removal = this.#known.get(device)?.removed.get(conversationId)?.get(from.username)
    const key = this.#world.server.conversations.get(conversationId)?.history.key(event.key)
    // A key that was made after the removal belongs to another membership.
    const isOver = removal !== undefined && key !== undefined && key.sequence < removal.sequence
    if (isOver && isWrong(since(removalName(conversationId, from.username, removal.sequence))))
      this.#world.broken(`${words}, whom it knew to be removed`)
    const content = JSON.stringify(event.content)
    const { content: before, label } = this.#shown.get(name) ?? { content, label: device.label }
    this.#shown.set(name, { content: before, label })
    if (before !== content) this.#world.broken(`${words}, and ${label} was shown ${before}`)
  }
}

function removalName(conversationId: string, username: string, sequence: number): string {
  return `${conversationId} ${username} ${sequence}`
}

function textOf({ content }: IncomingMessage): string {
  return 'text' in content ? String(content.text) : content.type
}

/** Whether the device itself has taken a statement that adds the user again, in this round. */
async function isBackNow(device: Device, id: string, username: string): Promise<boolean> {
  return (await knowledgeOf(device)).removed.get(id)?.get(username)?.isBack === true
}
