import { randomUUID } from 'node:crypto'
import type { Agent } from 'node:http'
import { fingerprint, generateKeys, renewKeys, type DeviceKeys } from './crypto.js'
import { cosigned, parseStatement, replayUser, signed, statementText, value } from './chains.js'
import type { Statement, UserChain } from './chains.js'
import { call, expect, newAgent } from './http.js'
import type { Answer, Call, SessionAnswer, UserAnswer } from './http.js'
import { EventStream, type ChatEvent, type EventsOptions } from './events.js'

export interface InteropOptions {
  readonly keys?: DeviceKeys
  readonly password?: string
  readonly deviceName?: string
  /** Parallel connections for everything but the event streams. */
  readonly connections?: number
}

export type Raw = Omit<Call, 'method' | 'path' | 'token'> & { readonly token?: string | null }

/** The account's half of a client: sessions, devices, other users' chains, events. */
export class Account {
  base: string
  readonly username: string
  readonly password: string
  readonly deviceName: string
  readonly deviceId: string = randomUUID()
  keys: DeviceKeys
  /** Encryption keys that were replaced: they still open what was wrapped before. */
  readonly oldKeys: DeviceKeys[] = []
  userId = ''
  accessToken: string | undefined
  refreshToken: string | undefined
  readonly agent: Agent
  /** Public signing keys by fingerprint, and their devices' ids and owners, as met so far. */
  readonly knownKeys = new Map<string, string>()
  readonly deviceFp = new Map<string, string>()
  readonly ownerOf = new Map<string, string>()
  readonly #heads = new Map<string, UserChain>()
  readonly #streams = new Set<EventStream>()

  protected constructor(base: string, username: string, keys: DeviceKeys, options: InteropOptions) {
    this.base = base
    this.username = username
    this.keys = keys
    this.password = options.password ?? `correct horse ${username} battery`
    this.deviceName = options.deviceName ?? 'test device'
    this.agent = newAgent(options.connections)
    this.knownKeys.set(keys.signingFp, keys.signingKey)
  }

  protected static async keysFor(options: InteropOptions): Promise<DeviceKeys> {
    return options.keys ?? (await generateKeys())
  }

  /** Any request, right or wrong. `token: null` sends none; by default the own access token goes along. */
  raw<T = unknown>(method: string, path: string, what: Raw = {}): Promise<Answer<T>> {
    const { token, ...rest } = what
    return call<T>(this.base, this.agent, {
      method,
      path,
      ...rest,
      token: token === null ? undefined : (token ?? this.accessToken)
    })
  }

  #keep(answer: Answer<SessionAnswer>): Answer<SessionAnswer> {
    if (answer.status < 300) {
      this.accessToken = answer.body.accessToken
      this.refreshToken = answer.body.refreshToken
      this.userId = answer.body.user.id
    }
    return answer
  }

  #newDevice(statement: Statement): Record<string, unknown> {
    const { signingKey, encryptionKey } = this.keys
    return { id: this.deviceId, name: this.deviceName, signingKey, encryptionKey, statement }
  }

  #deviceText(
    kind: string,
    chain: { sequence: number; head: string },
    keys: DeviceKeys,
    version: number
  ): string {
    return statementText(kind, [
      ['user', this.username],
      ['sequence', chain.sequence + 1],
      ['previous', chain.head],
      ['device', this.deviceId],
      ['signing-key', keys.signingFp],
      ['encryption-key', keys.encryptionFp],
      ['encryption-version', version]
    ])
  }

  /** The first statement of this user's chain, signed by this device. */
  firstStatement(): Statement {
    return signed(this.#deviceText('device-add', { sequence: 0, head: '-' }, this.keys, 1), this.keys)
  }

  async register(): Promise<Answer<SessionAnswer>> {
    const { username, password } = this
    const body = { username, password, device: this.#newDevice(this.firstStatement()) }
    return this.#keep(await this.raw<SessionAnswer>('POST', '/v1/auth/register', { body, token: null }))
  }

  async login(withDevice = true): Promise<Answer<SessionAnswer>> {
    const { username, password, deviceId } = this
    const body = { username, password, ...(withDevice ? { deviceId } : {}) }
    return this.#keep(await this.raw<SessionAnswer>('POST', '/v1/auth/login', { body, token: null }))
  }

  async refresh(refreshToken = this.refreshToken): Promise<Answer<SessionAnswer>> {
    const body = { refreshToken }
    return this.#keep(await this.raw<SessionAnswer>('POST', '/v1/auth/refresh', { body, token: null }))
  }

  logout(): Promise<Answer<unknown>> {
    return this.raw('POST', '/v1/auth/logout')
  }

  /** A user's chain, checked from its beginning and against what this client saw of it before. */
  async user(
    username: string
  ): Promise<UserChain & { readonly encryptionKeys: ReadonlyMap<string, string> }> {
    const { body } = expect(await this.raw<UserAnswer>('GET', `/v1/users/${username}`), 200)
    const encryptionKeys = new Map<string, string>()
    for (const device of body.devices) {
      this.knownKeys.set(fingerprint(device.signingKey), device.signingKey)
      encryptionKeys.set(device.id, device.encryptionKey)
    }
    const chain = replayUser(username, body.chain, this.knownKeys)
    const before = this.#heads.get(username)
    if (before !== undefined && before.sequence > chain.sequence)
      throw new Error(`${username}'s chain was cut`)
    if (before !== undefined && before.sequence === chain.sequence && before.head !== chain.head) {
      throw new Error(`${username}'s chain was forked`)
    }
    if (chain.root !== body.root)
      throw new Error(`${username}'s root is ${chain.root}, shown is ${body.root}`)
    if (
      [...chain.active.keys()].sort().join() !==
      body.devices
        .map((device) => device.id)
        .sort()
        .join()
    ) {
      throw new Error(`the devices shown of ${username} are not those of the chain`)
    }
    for (const device of body.devices) {
      const named = chain.active.get(device.id)
      const same = named?.signingFp === fingerprint(device.signingKey)
      if (!same || named.encryptionFp !== fingerprint(device.encryptionKey)) {
        throw new Error(`the keys shown of ${username}'s device ${device.id} are not those of the chain`)
      }
    }
    for (const device of chain.ever.values()) {
      this.deviceFp.set(device.id, device.signingFp)
      this.ownerOf.set(device.signingFp, username)
    }
    this.#heads.set(username, chain)
    return { ...chain, encryptionKeys }
  }

  /** Asks for this device to be added: answers 202 until another device has approved. */
  async addDevice(approver?: DeviceKeys): Promise<Answer<unknown>> {
    const own = signed(
      this.#deviceText('device-add', await this.user(this.username), this.keys, 1),
      this.keys
    )
    const statement = approver === undefined ? own : cosigned(own, approver)
    return this.raw('POST', '/v1/devices', { body: this.#newDevice(statement) })
  }

  /** Signs what a pending device of the same user asks for, after a look at what it says. */
  async approve(asked: Statement): Promise<Answer<unknown>> {
    const parsed = parseStatement(asked.text)
    const chain = await this.user(this.username)
    const due = [value(parsed, 'user'), value(parsed, 'sequence'), value(parsed, 'previous')].join(' ')
    if (parsed.kind !== 'device-add' || due !== `${this.username} ${chain.sequence + 1} ${chain.head}`) {
      throw new Error(`not to be approved: ${asked.text}`)
    }
    const body = { statement: cosigned(asked, this.keys) }
    return this.raw('POST', `/v1/devices/${value(parsed, 'device')}/approval`, { body })
  }

  /** Replaces this device's encryption key; the old one is kept in `oldKeys` unless the server refuses. */
  async rekey(renewed?: DeviceKeys): Promise<Answer<unknown>> {
    const keys = renewed ?? (await renewKeys(this.keys))
    const chain = await this.user(this.username)
    const version = (chain.active.get(this.deviceId)?.version ?? 0) + 1
    const statement = signed(this.#deviceText('device-rekey', chain, keys, version), keys)
    const body = { encryptionKey: keys.encryptionKey, statement }
    const answer = await this.raw('PUT', `/v1/devices/${this.deviceId}/encryption-key`, { body })
    if (answer.status < 300) {
      this.oldKeys.push(this.keys)
      this.keys = keys
    }
    return answer
  }

  async revoke(deviceId: string): Promise<Answer<unknown>> {
    const chain = await this.user(this.username)
    const text = statementText('device-revoke', [
      ['user', this.username],
      ['sequence', chain.sequence + 1],
      ['previous', chain.head],
      ['device', deviceId]
    ])
    return this.raw('POST', `/v1/devices/${deviceId}/revocation`, {
      body: { statement: signed(text, this.keys) }
    })
  }

  /** All other devices are lost: this one starts again under a new root. */
  async reset(): Promise<Answer<unknown>> {
    const text = this.#deviceText('device-reset', await this.user(this.username), this.keys, 1)
    return this.raw('POST', '/v1/devices', { body: this.#newDevice(signed(text, this.keys)) })
  }

  events(options: EventsOptions = {}): EventStream {
    const stream = new EventStream(() => ({ base: this.base, token: this.accessToken }), options)
    this.#streams.add(stream)
    return stream
  }

  /** A stream that has said `ready`: whatever happens from now on is on it. */
  async live(options: EventsOptions = {}): Promise<EventStream> {
    const stream = this.events(options)
    await stream.waitFor((event) => event.event === 'ready', 'ready')
    return stream
  }

  poll(
    after: string,
    wait?: number
  ): Promise<Answer<{ items: (ChatEvent & { cursor: string })[]; cursor: string }>> {
    const query = new URLSearchParams({ after, ...(wait === undefined ? {} : { wait: String(wait) }) })
    return this.raw('GET', `/v1/events?${query.toString()}`)
  }

  /** Lets go of all sockets; without it a test process would not end. */
  close(): void {
    for (const stream of this.#streams) stream.close()
    this.agent.destroy()
  }
}
