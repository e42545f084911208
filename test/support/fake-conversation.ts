import { CONVERSATION_STATEMENTS } from '../../src/client/conversations/verify.js'
import { importSigningKey } from '../../src/crypto/keys.js'
import { sha256Hex } from '../../src/crypto/hash.js'
import { statementHash, verifyStatement } from '../../src/crypto/statements.js'
import { chainRequests } from '../../src/protocol/chain-requests.js'
import {
  conversationRoster,
  type ChainMember,
  type ChainUsers,
  type ConversationChain
} from '../../src/protocol/conversation-chain.js'
import { ConversationHistory } from '../../src/protocol/conversation-history.js'
import type { NewSessionKey } from '../../src/protocol/conversations.js'
import type { DeletedMessage, Message } from '../../src/protocol/messages.js'
import { parseStatement } from '../../src/protocol/parse-statement.js'
import { rosterText } from '../../src/protocol/roster.js'
import { RuleViolation } from '../../src/protocol/rule-violation.js'
import type { SignedStatement } from '../../src/protocol/schema.js'
import type { ConversationStatement } from '../../src/protocol/statements.js'
import { userState } from '../../src/protocol/user-history.js'
import { FakeProblem } from './fake-answers.js'
import type { FakeUser } from './fake-user.js'

export interface FakeKey {
  id: string
  hash: string
  statement: SignedStatement
  /** By device id. */
  wraps: Map<string, string>
  /** Later wraps by device id. */
  added: Map<string, { wrappedKey: string; statement: SignedStatement }[]>
}

/** A request as it was posted: changes, or a leave, and the session key that it brings. */
interface Posted {
  statements: readonly SignedStatement[]
  key: FakeKey | null
}

/** A conversation as the server in memory keeps it. A test may change everything, and so lie. */
export class FakeConversation {
  readonly id: string
  readonly history: ConversationHistory
  /** The chain as it is served, and its end. */
  statements: SignedStatement[] = []
  head = '-'
  keys: FakeKey[] = []
  messages: Message[] = []
  deleted: DeletedMessage[] = []
  /** Position of the newest event. */
  lastPosition = 0
  /** Positions at which members joined. */
  readonly joined = new Map<string, number>()
  /** What former members may see, up to their going. */
  readonly left = new Map<string, { statements: number; lastPosition: number }>()
  readonly #posted: Posted[] = []

  constructor(id: string) {
    this.id = id
    this.history = new ConversationHistory(id)
  }

  get chain(): ConversationChain {
    return this.history.chain!
  }

  get members(): ReadonlyMap<string, ChainMember> {
    return this.history.chain?.members ?? new Map()
  }

  /** How many requests have made the chain. */
  get requests(): number {
    return this.#posted.length
  }

  /** The newest key as it is served. */
  get key(): FakeKey {
    return this.keys.at(-1)!
  }

  /** Whether a new key is needed before the next message. */
  rekeyRequired(users: ReadonlyMap<string, FakeUser>): boolean {
    if (this.chain.head !== this.chain.key.hash) return true
    return [...this.members].some(([username, { state }]) => {
      const later = users.get(username)!.statements.slice(state.sequence)
      return later.some(({ text }) => !text.startsWith('secure-chat/v1 device-add\n'))
    })
  }

  /**
   * Append a request as an honest server does.
   *
   * @param isDue false: take a key that was made for the devices of some earlier day, as a lying server does
   * @returns false if the chain has it already
   */
  async append(
    statements: readonly SignedStatement[],
    key: NewSessionKey | undefined,
    users: ReadonlyMap<string, FakeUser>,
    { isDue = true } = {}
  ): Promise<boolean> {
    const all = key === undefined ? statements : [...statements, key.statement]
    const links = await Promise.all(all.map((signed) => verified(signed, users)))
    const last = links.at(-1)!
    if (this.history.hashAt(last.statement.sequence) === last.hash) return false
    const [request, ...others] = chainRequests(links)
    if (request === undefined || others.length > 0) throw new RuleViolation('invalid-statement')
    const sees = chainUsers(users)
    const after = this.history.next(request, sees)
    if (key !== undefined && isDue) await requireDue(after, key, sees, users)
    const isActive = ({ statement: { by } }: { statement: ConversationStatement }): boolean =>
      [...users.values()].some(({ history }) => history?.devices.get(by)?.retired === null)
    // A device may have gone while the request was checked.
    if (isDue && !links.every(isActive)) throw new FakeProblem('device-required')
    this.history.append(request, after)
    await this.show(statements, key)
    return true
  }

  /** Serve a request, whatever it says. */
  async show(statements: readonly SignedStatement[], key: NewSessionKey | undefined): Promise<void> {
    const shown = key === undefined ? null : await toFakeKey(key)
    this.#posted.push({ statements, key: shown })
    this.statements.push(...statements, ...(key === undefined ? [] : [key.statement]))
    if (shown !== null) this.keys.push(shown)
    this.head = await statementHash(this.statements.at(-1)!.text)
  }

  /** The same conversation as it was after its first requests, without messages: from here on it may fork. */
  async fork(requests: number, users: ReadonlyMap<string, FakeUser>): Promise<FakeConversation> {
    const fork = new FakeConversation(this.id)
    for (const { statements, key } of this.#posted.slice(0, requests)) {
      const wraps = [...(key?.wraps ?? [])].map(([deviceId, wrappedKey]) => ({ deviceId, wrappedKey }))
      const posted = key === null ? undefined : { id: key.id, statement: key.statement, wraps }
      await fork.append(statements, posted, users, { isDue: false })
    }
    fork.lastPosition = this.lastPosition
    return fork
  }
}

async function toFakeKey({ id, statement, wraps }: NewSessionKey): Promise<FakeKey> {
  return {
    id,
    hash: await statementHash(statement.text),
    statement,
    wraps: new Map(wraps.map(({ deviceId, wrappedKey }) => [deviceId, wrappedKey])),
    added: new Map()
  }
}

/** What the users' chains say, as the server knows them today. */
export function chainUsers(users: ReadonlyMap<string, FakeUser>): ChainUsers {
  return {
    owners: (print) =>
      [...users.values()].filter(({ history }) => history!.devices.has(print)).map((user) => user.username),
    device: (username, print) => users.get(username)?.history?.devices.get(print),
    at(username, { sequence, head }) {
      const history = users.get(username)?.history
      const state = history && userState(history, sequence)
      if (!state || history.hashes[sequence - 1] !== head) throw new RuleViolation('stale-roster')
      return state
    }
  }
}

async function verified(
  signed: SignedStatement,
  users: ReadonlyMap<string, FakeUser>
): Promise<{ statement: ConversationStatement; hash: string }> {
  const statement = parseStatement(signed.text, CONVERSATION_STATEMENTS)
  const pem = [...users.values()].map(({ pems }) => pems.get(statement.by)).find((one) => one !== undefined)
  if (pem === undefined) throw new RuleViolation('not-in-roster')
  await verifyStatement(signed, new Map([[statement.by, await importSigningKey(pem)]]))
  return { statement, hash: await statementHash(signed.text) }
}

/** The key has to be made for today's devices, with a wrap for each of them. */
async function requireDue(
  after: ConversationChain,
  { wraps, id }: NewSessionKey,
  sees: ChainUsers,
  users: ReadonlyMap<string, FakeUser>
): Promise<void> {
  for (const [username, { state }] of after.members)
    if (users.get(username)!.head !== state.head) throw new FakeProblem('stale-roster', { head: after.head })
  const roster = conversationRoster(after.members, sees)
  if ((await sha256Hex(rosterText(roster))) !== after.key.roster || after.key.id !== id)
    throw new RuleViolation('invalid-statement')
  const wrapped = wraps.map(({ deviceId }) => deviceId).sort()
  const due = roster.map((device) => device.id).sort()
  if (wrapped.join() !== due.join()) throw new FakeProblem('stale-roster')
}
