import {
  conversationRoster,
  type ChainKey,
  type ChainMember,
  type ChainRequest,
  type ChainState,
  type ChainUsers,
  type ConversationChain,
  type Link
} from './conversation-chain.js'
import { extendConversationChain } from './extend-conversation-chain.js'
import type { RosterDevice } from './roster.js'
import { RuleViolation } from './rule-violation.js'
import type { ChangeStatement, MemberLine, Role } from './statements.js'
import type { ChainDevice } from './user-chain.js'

/** A member's line, valid from the statement `since` on. Null: the user is out. */
interface MemberPeriod {
  since: number
  line: { role: Role; root: string } | null
}

/** A root under which a line of the chain has a user. */
export interface NamedRoot {
  root: string
  /** The statement that named it first. */
  since: number
  /** Whether an admin renewed the member to it. */
  isRenewed: boolean
}

/**
 * A conversation's chain with its past: who was in, and which devices had which session key. It grows with
 * each request that is valid.
 */
export class ConversationHistory {
  readonly id: string
  #chain: ConversationChain | null = null
  readonly #hashes: string[] = []
  readonly #keys = new Map<string, ChainKey>()
  readonly #members = new Map<string, MemberPeriod[]>()
  readonly #states = new Map<string, (ChainState & { since: number })[]>()
  readonly #roots = new Map<string, NamedRoot[]>()

  constructor(id: string) {
    this.id = id
  }

  /** The newest state; null before the first request. */
  get chain(): ConversationChain | null {
    return this.#chain
  }

  /** The hash of a statement of the chain; undefined beyond its end. */
  hashAt(sequence: number): string | undefined {
    return this.#hashes[sequence - 1]
  }

  /** Whether a statement with this hash is in the chain. */
  has(hash: string): boolean {
    return this.#hashes.includes(hash)
  }

  /** A session key by the hash of its statement. */
  key(hash: string): ChainKey | undefined {
    return this.#keys.get(hash)
  }

  /** All session keys, oldest first. */
  get keys(): readonly ChainKey[] {
    return [...this.#keys.values()]
  }

  /** Everybody who is or was a member. */
  get usernames(): readonly string[] {
    return [...this.#members.keys()]
  }

  /** All roots under which the chain ever had the user, oldest first. */
  rootsOf(username: string): readonly NamedRoot[] {
    return this.#roots.get(username) ?? []
  }

  /** Where the user's chain ended for the maker of the first key that names it; 0 if no key does. */
  firstStateOf(username: string): number {
    return this.#states.get(username)?.[0]?.sequence ?? 0
  }

  /**
   * The chain with a request behind it. The caller verifies the roster of its key before it appends the request.
   *
   * @throws as `extendConversationChain`
   */
  next(request: ChainRequest, users: ChainUsers): ConversationChain {
    if (linksOf(request).some(({ statement }) => statement.conversation !== this.id))
      throw new RuleViolation('invalid-statement', `The statement must name the conversation ${this.id}.`)
    const floor = (username: string) => this.#states.get(username)?.at(-1)?.sequence ?? 0
    return extendConversationChain(this.#chain, request, users, floor)
  }

  /**
   * @param after the chain that `next` made of the request
   * @throws {RuleViolation} `stale-chain` if another request was appended meanwhile
   */
  append(request: ChainRequest, after: ConversationChain): void {
    const before = this.#chain
    const links = linksOf(request)
    if (links[0]!.statement.previous !== (before?.head ?? '-')) throw new RuleViolation('stale-chain')
    this.#hashes.push(...links.map(({ hash }) => hash))
    // A key that comes without changes touches the states that it names.
    const isKey = 'key' in request && request.changes.length === 0
    const touched = isKey
      ? request.key.statement.state.map(({ username }) => username)
      : new Set([...(before?.members.keys() ?? []), ...after.members.keys()])
    for (const username of touched) this.#record(username, before?.members.get(username), after)
    if ('key' in request) {
      this.#keys.set(after.key.hash, after.key)
      const isByAdmin = before?.members.get(after.key.username)?.role === 'admin'
      for (const { statement } of request.changes) this.#noteRoots(statement, isByAdmin)
    }
    this.#chain = after
  }

  #record(
    username: string,
    before: ChainMember | undefined,
    { members, sequence: since }: ConversationChain
  ) {
    const after = members.get(username)
    if (after === undefined) return append(this.#members, username, { since, line: null })
    const { role, root, state } = after
    if (before?.role !== role || before.root !== root)
      append(this.#members, username, { since, line: { role, root } })
    if (this.#states.get(username)?.at(-1)?.sequence !== state.sequence)
      append(this.#states, username, { since, ...state })
  }

  #noteRoots(change: ChangeStatement, isByAdmin: boolean): void {
    const isRenewed = isByAdmin && change.kind === 'conversation-renew'
    for (const { username, root } of memberLines(change))
      if (!this.rootsOf(username).some((named) => named.root === root))
        append(this.#roots, username, { root, since: change.sequence, isRenewed })
  }

  /** The member at a statement of the chain; undefined if the user was not in. */
  memberAt(username: string, sequence: number): ChainMember | undefined {
    const line = at(this.#members.get(username), sequence)?.line
    const state = at(this.#states.get(username), sequence)
    return line && state ? { ...line, state: { sequence: state.sequence, head: state.head } } : undefined
  }

  /** The devices that a session key is wrapped for. */
  rosterOf(key: ChainKey, users: ChainUsers): RosterDevice[] {
    const members = [...this.#members.keys()].flatMap((username) => {
      const member = this.memberAt(username, key.sequence)
      return member ? [[username, member] as const] : []
    })
    return conversationRoster(new Map(members), users)
  }

  /** The devices with this signing key in the roster of a session key. More than one is `ambiguous-key`. */
  rosterDevices(
    key: ChainKey,
    signingKey: string,
    users: ChainUsers
  ): { username: string; device: ChainDevice }[] {
    return users.owners(signingKey).flatMap((username) => {
      const member = this.memberAt(username, key.sequence)
      const user = member && users.at(username, member.state)
      if (user === undefined || user.root !== member!.root) return []
      return user.devices
        .filter((device) => device.signingKey === signingKey)
        .map((device) => ({ username, device }))
    })
  }
}

function linksOf(request: ChainRequest): Link[] {
  return 'leave' in request ? [request.leave] : [...request.changes, request.key]
}

function memberLines(change: ChangeStatement): readonly MemberLine[] {
  if (change.kind === 'conversation-create') return change.members
  return change.kind === 'conversation-add' || change.kind === 'conversation-renew' ? [change.member] : []
}

function append<T>(lists: Map<string, T[]>, username: string, item: T): void {
  const list = lists.get(username)
  if (list === undefined) lists.set(username, [item])
  else list.push(item)
}

/** The newest item that a statement of the chain can see. */
function at<T extends { since: number }>(items: readonly T[] | undefined, sequence: number): T | undefined {
  return items?.findLast(({ since }) => since <= sequence)
}
