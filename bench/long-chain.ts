import { sha256Hex } from '../src/crypto/hash.js'
import { generateSigningKeys, importSigningKey, type KeyPair } from '../src/crypto/keys.js'
import { signStatement, statementHash } from '../src/crypto/statements.js'
import type { CryptoKey } from '../src/crypto/web-crypto.js'
import { KnownUsers } from '../src/client/conversations/chain-users.js'
import { applyRequest, readRequests } from '../src/client/conversations/verify.js'
import { ConversationHistory } from '../src/protocol/conversation-history.js'
import { rosterText } from '../src/protocol/roster.js'
import type { SignedStatement } from '../src/protocol/schema.js'
import { statementText } from '../src/protocol/statement-texts.js'
import type { MemberLine, StateLine, Statement } from '../src/protocol/statements.js'
import { extendUserHistory, type UserHistory } from '../src/protocol/user-history.js'

interface Member {
  username: string
  id: string
  signing: KeyPair
  rekeys: number
}

const hex = (): Promise<string> => sha256Hex(crypto.randomUUID())

/** The signed chain of a group with a device for each member. The first one is the admin and makes all keys. */
export class LongChain {
  readonly items: SignedStatement[] = []
  readonly #id = crypto.randomUUID()
  readonly #members: Member[] = []
  readonly #users = new Map<string, UserHistory>()
  readonly #devices = new Map<string, Statement<'device-add' | 'device-rekey'>>()
  readonly #pems = new Map<string, string>()
  #head = '-'

  static async create(members: number): Promise<LongChain> {
    const chain = new LongChain()
    for (let n = 0; n < members; n++) {
      const signing = await generateSigningKeys({ extractable: false })
      const member = { username: `member-${n}`, id: crypto.randomUUID(), signing, rekeys: 0 }
      chain.#members.push(member)
      chain.#pems.set(signing.fingerprint, signing.publicKey)
      await chain.#bind(member)
    }
    const lines: MemberLine[] = chain.#members
      .map(({ username, signing }, n): MemberLine => ({
        username,
        role: n === 0 ? 'admin' : 'member',
        root: signing.fingerprint
      }))
      .sort((a, b) => (a.username < b.username ? -1 : 1))
    await chain.#append({ kind: 'conversation-create', conversationKind: 'group', members: lines })
    await chain.key(chain.#members)
    return chain
  }

  async changeTimer(messageTtl: number): Promise<void> {
    await this.#append({ kind: 'conversation-timer', messageTtl })
    await this.key([])
  }

  /** A member has new keys, so that the next session key has a state line. */
  async rekey(n: number): Promise<void> {
    const member = this.#members[n]!
    await this.#bind(member)
    await this.key([member])
  }

  /** A session key. @param moved the members whose chains have moved since the one before */
  async key(moved: readonly Member[]): Promise<void> {
    const state = moved.map(({ username }): StateLine => {
      const { sequence, head } = this.#users.get(username)!.chain
      return { username, sequence, head }
    })
    const roster = [...this.#devices.values()].map(({ user: username, device: id, ...keys }) => ({
      username,
      id,
      ...keys
    }))
    await this.#append({
      kind: 'conversation-key',
      sessionKey: crypto.randomUUID(),
      commitment: await hex(),
      state: state.sort((a, b) => (a.username < b.username ? -1 : 1)),
      roster: await sha256Hex(rosterText(roster))
    })
  }

  /** Verify all of it from nothing, as a new member's client does. @returns the sequence of its end */
  async verify(): Promise<number> {
    const users = new KnownUsers()
    for (const user of this.#users.values()) users.add(user)
    const keys = new Map<string, Promise<CryptoKey>>()
    const signingKey = (print: string): Promise<CryptoKey> => {
      const known = keys.get(print) ?? importSigningKey(this.#pems.get(print)!)
      keys.set(print, known)
      return known
    }
    const history = new ConversationHistory(this.#id)
    for (const request of await readRequests(this.items))
      await applyRequest(history, request, users, signingKey)
    return history.chain!.sequence
  }

  /** Bytes of the statements as JSON, with their signatures, from one on. */
  bytes(from: number): number {
    return Buffer.byteLength(JSON.stringify(this.items.slice(from)))
  }

  async #bind(member: Member): Promise<void> {
    const { username, id, signing } = member
    const before = this.#users.get(username) ?? null
    const statement = {
      kind: before === null ? 'device-add' : 'device-rekey',
      user: username,
      sequence: (before?.chain.sequence ?? 0) + 1,
      previous: before?.chain.head ?? '-',
      device: id,
      purpose: 'chat',
      signingKey: signing.fingerprint,
      encryptionKey: await hex(),
      kemKey: await hex(),
      encryptionVersion: ++member.rekeys
    } as const
    const hash = await statementHash(statementText(statement))
    this.#users.set(username, extendUserHistory(before, statement, hash, new Set([signing.fingerprint])))
    this.#devices.set(username, statement)
  }

  async #append(change: Placeless): Promise<void> {
    const { signing } = this.#members[0]!
    const place = { conversation: this.#id, sequence: this.items.length + 1, previous: this.#head }
    const text = statementText({ ...change, ...place, by: signing.fingerprint })
    this.items.push(await signStatement(text, signing))
    this.#head = await statementHash(text)
  }
}

type Without<S> = S extends unknown ? Omit<S, 'conversation' | 'sequence' | 'previous' | 'by'> : never
type Placeless = Without<Statement<'conversation-create' | 'conversation-timer' | 'conversation-key'>>
