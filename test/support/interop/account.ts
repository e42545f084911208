import { cosigned, loginText, parseStatement, signed, statementText, value } from './chains.js'
import type { Link, Parsed, Statement } from './chains.js'
import { fingerprint, generateKeys, kemFp, kemPublicKey, renewKeys, sha256Hex, sign } from './crypto.js'
import type { DeviceKeys } from './crypto.js'
import { expect } from './http.js'
import type { Answer, Page, PublicDevice, SessionAnswer, UserAnswer, UserChainPage } from './http.js'
import { linkNumber } from './numbers.js'
import { check, given } from './refused.js'
import { Session, type SessionOptions } from './session.js'
import { deviceOf, noUser, replayUser, type UserChain } from './user-chain.js'

type ChainsAnswer = Page<UserChainPage & { readonly username: string }>

export interface InteropOptions extends SessionOptions {
  readonly keys?: DeviceKeys
  readonly deviceName?: string
  readonly purpose?: 'chat' | 'recovery'
}

/** The own devices, and all users' chains as far as this client has verified them. */
export class Account extends Session {
  readonly deviceName: string
  readonly purpose: 'chat' | 'recovery'
  keys: DeviceKeys
  /** Decryption keys that were replaced: they still open what was wrapped before. */
  readonly oldKeys: DeviceKeys[] = []
  /** Public keys by fingerprint: SPKI PEM, or base64 of a KEM key. */
  readonly knownKeys = new Map<string, string>()
  readonly users = new Map<string, UserChain>()

  protected constructor(base: string, username: string, keys: DeviceKeys, options: InteropOptions) {
    super(base, username, options)
    this.keys = keys
    this.deviceName = options.deviceName ?? 'test device'
    this.purpose = options.purpose ?? 'chat'
    this.learn(keys)
  }

  protected static async keysFor(options: InteropOptions): Promise<DeviceKeys> {
    return options.keys ?? (await generateKeys())
  }

  protected learn({ signingKey, encryptionKey, kemKey }: Partial<PublicDevice>): void {
    for (const key of [signingKey, encryptionKey])
      if (key !== undefined) this.knownKeys.set(fingerprint(key), key)
    if (kemKey !== undefined) this.knownKeys.set(sha256Hex(kemPublicKey(kemKey)), kemKey)
  }

  #newDevice(statement: Statement): Record<string, unknown> {
    const { signingKey, encryptionKey, kemKey } = this.keys
    return { id: this.deviceId, name: this.deviceName, signingKey, encryptionKey, kemKey, statement }
  }

  #deviceText(kind: string, chain: Link, keys: DeviceKeys, version: number): string {
    return statementText(kind, [
      ['user', this.username],
      ['sequence', chain.sequence + 1],
      ['previous', chain.head],
      ['device', this.deviceId],
      ['purpose', this.purpose],
      ['signing-key', keys.signingFp],
      ['encryption-key', keys.encryptionFp],
      ['kem-key', kemFp(keys)],
      ['encryption-version', version]
    ])
  }

  /** The first statement of this user's chain, signed by this device. */
  firstStatement(): Statement {
    return signed(this.#deviceText('device-add', noUser(this.username), this.keys, 1), this.keys)
  }

  /** @param invite the token of an invitation */
  async register(invite?: string): Promise<Answer<SessionAnswer>> {
    const { username, password } = this
    const device = this.#newDevice(this.firstStatement())
    const body = { username, password, device, ...(invite === undefined ? {} : { invite }) }
    return this.keep(await this.raw<SessionAnswer>('POST', '/v1/auth/register', { body, token: null }))
  }

  /** This device's signature of a nonce, for a server. */
  signed(nonce: string, server = new URL(this.base).origin): string {
    const { signingFp } = this.keys
    return sign(this.keys, loginText(server, this.username, this.deviceId, nonce, signingFp))
  }

  /** A nonce of the server's for a device. */
  async challenge(deviceId = this.deviceId): Promise<string> {
    const answer = await this.raw<{ nonce: string }>('POST', '/v1/auth/challenges', {
      body: { deviceId },
      token: null
    })
    return expect(answer, 201).body.nonce
  }

  /** Begins a session without the password. @param signature of the text, with the key of this device */
  async signInWithKey(nonce?: string, signature?: string): Promise<Answer<SessionAnswer>> {
    const given = nonce ?? (await this.challenge())
    const body = {
      deviceId: this.deviceId,
      nonce: given,
      signature: signature ?? this.signed(given)
    }
    return this.keep(await this.raw<SessionAnswer>('POST', '/v1/auth/device-login', { body, token: null }))
  }

  /** A user's chain, verified from its beginning, with the public keys of the active devices. */
  async user(username: string): Promise<UserChain> {
    for (;;) {
      const before = this.#known(username)
      const path = `/v1/users/${username}?after=${before.sequence}`
      const { body } = expect(await this.raw<UserAnswer>('GET', path), 200)
      for (const device of body.devices) this.learn(device)
      if (this.#known(username).sequence !== before.sequence) continue
      const chain = this.#extend(before, body.chain)
      if (body.chain.next !== null) continue
      check(chain.head === body.chain.head, `${username}'s chain was cut or forked`)
      check(chain.root === body.root, `${username}'s root is ${chain.root}, shown is ${body.root}`)
      requireShown(chain, body.devices)
      return chain
    }
  }

  /** Brings the chains of many users up to date. */
  async sync(usernames: Iterable<string>): Promise<void> {
    const all = [...usernames].map((username) => ({ username, after: this.#known(username).sequence }))
    for (let at = 0; at < all.length; at += 200) {
      const body = { users: all.slice(at, at + 200) }
      const heads = new Map<string, string>()
      for (let query: string | null = ''; query !== null;) {
        const path = `/v1/users/chains${query}`
        const answer: Answer<ChainsAnswer> = await this.raw('POST', path, { body })
        const { items, next } = expect(answer, 200).body
        for (const page of items) {
          const before = this.#known(page.username)
          if (startsBehind(before, page)) this.#extend(before, page)
          heads.set(page.username, page.head)
        }
        query = next === null ? null : `?cursor=${encodeURIComponent(next)}`
      }
      for (const [name, head] of heads) if (this.#known(name).head !== head) await this.user(name)
    }
  }

  #known(username: string): UserChain {
    return this.users.get(username) ?? noUser(username)
  }

  #extend(before: UserChain, page: UserChainPage): UserChain {
    for (const signingKey of page.keys) this.learn({ signingKey })
    const chain = replayUser(before.user, page.items, this.knownKeys, before)
    this.users.set(before.user, chain)
    return chain
  }

  /** Asks for this device to be added: answers 202 until another device has approved. */
  async addDevice(approver?: DeviceKeys): Promise<Answer<unknown>> {
    const text = this.#deviceText('device-add', await this.user(this.username), this.keys, 1)
    const own = signed(text, this.keys)
    const statement = approver === undefined ? own : cosigned(own, approver)
    return this.raw('POST', '/v1/devices', { body: this.#newDevice(statement) })
  }

  /** The number that the person compares: for this device, or for one that asks. */
  async linkNumber(asked?: Statement): Promise<string> {
    const { user, root, head } = await this.user(this.username)
    const { signingFp, encryptionFp } = this.keys
    const own = { id: this.deviceId, signingFp, encryptionFp, kemFp: kemFp(this.keys) }
    const device = asked === undefined ? own : deviceOf(parseStatement(asked.text))
    return linkNumber({
      user,
      root,
      head,
      device: device.id,
      signingKey: device.signingFp,
      encryptionKey: device.encryptionFp,
      kemKey: device.kemFp
    })
  }

  /** Signs what a pending device of the same user asks for. It must follow the head, and be active afterwards. */
  async approve(asked: Statement): Promise<Answer<unknown>> {
    const parsed = parseStatement(asked.text)
    const chain = await this.user(this.username)
    const due = ['user', 'sequence', 'previous'].map((name) => value(parsed, name)).join(' ')
    const follows = due === `${this.username} ${chain.sequence + 1} ${chain.head}`
    check(parsed.kind === 'device-add' && follows, `not to be approved: ${asked.text}`)
    const body = { statement: cosigned(asked, this.keys) }
    const answer = await this.raw('POST', `/v1/devices/${value(parsed, 'device')}/approval`, { body })
    if (answer.status < 300) check(isActive(await this.user(this.username), parsed), 'it did not come in')
    return answer
  }

  /** Replaces this device's decryption keys. The old ones are kept in `oldKeys` unless the chain lacks the new. */
  async rekey(renewed?: DeviceKeys): Promise<Answer<unknown>> {
    const keys = renewed ?? (await renewKeys(this.keys))
    const chain = await this.user(this.username)
    const version = (chain.active.get(this.deviceId)?.version ?? 0) + 1
    const statement = signed(this.#deviceText('device-rekey', chain, keys, version), keys)
    const { encryptionKey, kemKey } = keys
    const body = { encryptionKey, kemKey, statement }
    const answer = await this.raw('PUT', `/v1/devices/${this.deviceId}/encryption-key`, { body })
    if (answer.status < 300 && isActive(await this.user(this.username), parseStatement(statement.text))) {
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
    const body = { statement: signed(text, this.keys) }
    return this.raw('POST', `/v1/devices/${deviceId}/revocation`, { body })
  }

  /** All other devices are lost: this one starts again under a new root. */
  async reset(): Promise<Answer<unknown>> {
    const text = this.#deviceText('device-reset', await this.user(this.username), this.keys, 1)
    return this.raw('POST', '/v1/devices', { body: this.#newDevice(signed(text, this.keys)) })
  }
}

/** Whether the chain has the device with exactly the keys of its statement. */
function isActive({ active }: UserChain, statement: Parsed): boolean {
  const device = active.get(value(statement, 'device'))
  return (
    device?.signingFp === value(statement, 'signing-key') &&
    device.encryptionFp === value(statement, 'encryption-key') &&
    device.kemFp === value(statement, 'kem-key')
  )
}

/** Whether a page goes on where the copy ends. Another answer may have brought its statements meanwhile. */
function startsBehind({ sequence }: UserChain, { items: [first] }: UserChainPage): boolean {
  return first !== undefined && value(parseStatement(first.text), 'sequence') === String(sequence + 1)
}

/** The devices are a hint of the server's, which has to be right all the same. */
function requireShown({ active }: UserChain, devices: readonly PublicDevice[]): void {
  check(devices.length === active.size, `${devices.length} devices are shown, ${active.size} are active`)
  for (const shown of devices) {
    const device = given(active.get(shown.id), `the device ${shown.id} is shown, and not active`)
    const isSame = device.signingFp === fingerprint(shown.signingKey) && device.kemFp === kemFp(shown)
    check(isSame && device.encryptionFp === fingerprint(shown.encryptionKey), `other keys of ${shown.id}`)
  }
}
