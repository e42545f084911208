import { randomUUID } from 'node:crypto'
import { fingerprint } from '../../src/crypto/keys.js'
import { statementHash } from '../../src/crypto/statements.js'
import { verifyUserChain } from '../../src/client/identity/verify-user-chain.js'
import type { Profile, UserChainPage } from '../../src/protocol/accounts.js'
import type { Device, NewDevice, PublicDevice } from '../../src/protocol/devices.js'
import { RuleViolation } from '../../src/protocol/rule-violation.js'
import type { SignedStatement } from '../../src/protocol/schema.js'
import type { UserHistory } from '../../src/protocol/user-history.js'

export const TIME = '2026-01-31T12:00:00.000Z'

type Bound = Omit<PublicDevice, 'encryptionVersion'>

/** A device that waits for approval, with its own signature over its statement. */
export type PendingDevice = NewDevice

/** A user as the server in memory keeps them. A test may change everything, and so lie. */
export class FakeUser {
  readonly id: string = randomUUID()
  readonly username: string
  password = ''
  /** The chain as it is served. */
  statements: SignedStatement[] = []
  /** When each statement came, in ms. */
  times: number[] = []
  history: UserHistory | null = null
  /** Public keys of all devices ever, by id. */
  readonly devices = new Map<string, PublicDevice>()
  /** Signing keys of all devices ever in PEM, by fingerprint. */
  readonly pems = new Map<string, string>()
  readonly names = new Map<string, string>()
  readonly waiting = new Map<string, PendingDevice>()
  backup: { bytes: Uint8Array; etag: string } | null = null
  /** What each statement binds. */
  readonly #bound: (Bound | undefined)[] = []

  constructor(username: string) {
    this.username = username
  }

  /** The same user as after the first statements: from here on the chain may fork. */
  async fork(sequence: number): Promise<FakeUser> {
    const fork = new FakeUser(this.username)
    for (let at = 0; at < sequence; at++) await fork.append(this.statements[at]!, this.#bound[at])
    return fork
  }

  get head(): string {
    return this.history?.chain.head ?? '-'
  }

  get root(): string {
    return this.history!.chain.root
  }

  /** The public keys of the active devices. */
  get active(): PublicDevice[] {
    return [...this.history!.chain.devices.keys()].map((id) => this.devices.get(id)!)
  }

  /**
   * Append a statement as an honest server does.
   *
   * @param bound the public keys that it binds
   * @returns false if the chain has it already
   */
  async append(signed: SignedStatement, bound?: Bound): Promise<boolean> {
    if (this.history?.hashes.includes(await statementHash(signed.text))) return false
    const pems = new Map(this.pems)
    if (bound !== undefined) pems.set(await fingerprint(bound.signingKey), bound.signingKey)
    const { history, added } = await verifyUserChain(this.username, this.history, [signed], pems)
    this.history = history
    this.statements.push(signed)
    this.#bound.push(bound)
    this.times.push(Date.now())
    const { statement } = added[0]!
    if (statement.kind !== 'device-revoke') {
      if (bound === undefined) throw new RuleViolation('invalid-statement', 'The public keys are missing.')
      const { encryptionVersion } = statement
      this.devices.set(bound.id, { ...keysOf(bound), encryptionVersion })
      this.pems.set(statement.signingKey, bound.signingKey)
    }
    this.waiting.delete(statement.device)
    return true
  }

  /** The server was restored from a backup: it has only the first statements. */
  async restore(length: number): Promise<void> {
    const kept = this.statements.slice(0, length)
    const devices = new Map(this.devices)
    this.statements = []
    this.history = null
    this.devices.clear()
    this.pems.clear()
    for (const signed of kept) await this.append(signed, devices.get(/^device (.*)$/m.exec(signed.text)![1]!))
  }

  /** What `POST /v1/users/chains` shows after a sequence. */
  page(after: number, limit = 1000): UserChainPage['items'][number] {
    const items = this.statements.slice(after, after + limit)
    const prints = new Set(
      items.flatMap(({ text, signatures }) => [
        ...Object.keys(signatures),
        ...(/^signing-key (.*)$/m.exec(text)?.slice(1) ?? [])
      ])
    )
    const keys = [...prints].flatMap((print) => this.pems.get(print) ?? [])
    return { username: this.username, items, keys, head: this.head }
  }

  profile(after: number): Profile {
    const { items, keys, head } = this.page(after)
    return {
      user: { id: this.id, username: this.username, kind: 'member', createdAt: TIME },
      root: this.root,
      devices: this.active,
      chain: { head, items, keys, next: null }
    }
  }

  /** The devices as their owner sees them. */
  list(): Device[] {
    const active = new Set(this.history!.chain.devices.keys())
    const known = [...this.devices.values()].map((device) =>
      this.shown(device, active.has(device.id) ? 'active' : 'revoked')
    )
    const waiting = [...this.waiting.values()].map((device) =>
      this.shown({ ...keysOf(device), encryptionVersion: 1 }, 'pending')
    )
    return [...known, ...waiting]
  }

  shown(device: PublicDevice, status: Device['status']): Device {
    const name = this.names.get(device.id) ?? this.waiting.get(device.id)?.name ?? 'device'
    return { ...device, name, status, createdAt: TIME }
  }
}

/** Only the public keys of a device. */
export function keysOf({
  id,
  signingKey,
  encryptionKey,
  kemKey
}: Omit<PublicDevice, 'encryptionVersion'>): Omit<PublicDevice, 'encryptionVersion'> {
  return { id, signingKey, encryptionKey, ...(kemKey !== undefined && { kemKey }) }
}
