import {
  NO_LINK,
  parseStatement,
  requireLink,
  requireSignature,
  statementHash,
  value,
  values,
  type KnownKeys,
  type Link,
  type Parsed,
  type Statement
} from './chains.js'
import { applyChange, applyLeave, signerOf } from './conversation-rules.js'
import { check, given } from './refused.js'
import { rosterHash, rosterOf, stateAt, type Member, type RosterLine, type Users } from './roster.js'

/** A session key as its statement, a link of the chain, has it. */
export interface ChainKey {
  /** Hash of the statement, which names the key. */
  readonly hash: string
  readonly id: string
  readonly sequence: number
  readonly commitment: string
  readonly by: string
  readonly roster: readonly RosterLine[]
}

export interface ConversationChain extends Link {
  readonly id: string
  readonly kind: string
  readonly members: ReadonlyMap<string, Member>
  readonly messageTtl: number
  /** The newest state of each member that a key has named, while the membership lasts. */
  readonly states: ReadonlyMap<string, Link>
  /** The highest state that any key has named, of former members too. */
  readonly highest: ReadonlyMap<string, Link>
  /** Memberships that have ended, with the number of the link that ended them. */
  readonly ended: readonly { readonly username: string; readonly sequence: number }[]
  /** Session keys by the hash of their statements, oldest first. */
  readonly keys: ReadonlyMap<string, ChainKey>
}

const MAX_CHANGES = 100
const MAX_LINKS = 100_000
/** The last links are for keys, and for members who go. */
const RESERVED_LINKS = 1000
const MAX_MEMBERS = 1024

export const noConversation = (id: string): ConversationChain => ({
  ...NO_LINK,
  id,
  kind: '',
  members: new Map(),
  messageTtl: 0,
  states: new Map(),
  highest: new Map(),
  ended: [],
  keys: new Map()
})

/** The key to seal under. */
export const newestKey = (chain: ConversationChain): ChainKey =>
  given([...chain.keys.values()].at(-1), 'a conversation without a session key')

/**
 * Verifies whole requests from the end of a known chain on.
 *
 * @param users chains at least as long as states name them, and as they are today where somebody leaves
 * @throws Refused at the first request that does not stand
 */
export function replayConversation(
  id: string,
  statements: readonly Statement[],
  known: KnownKeys,
  users: Users,
  from: ConversationChain = noConversation(id)
): ConversationChain {
  let chain = from
  let changes: Parsed[] = []
  let link: Link = chain
  for (const statement of statements) {
    const parsed = parseStatement(statement.text)
    requireLink(parsed, link)
    link = { sequence: link.sequence + 1, head: statementHash(statement) }
    check(link.sequence <= MAX_LINKS, 'a chain that is too long')
    check(value(parsed, 'conversation') === id, 'a statement of another conversation')
    requireSignature(statement, value(parsed, 'by'), known)
    const isFirst = link.sequence === 1
    check((parsed.kind === 'conversation-create') === isFirst, `${parsed.kind} at ${link.sequence}`)
    if (parsed.kind === 'conversation-leave') {
      check(changes.length === 0, 'changes without a key before a leave')
      const { username, ...rest } = applyLeave(chain, value(parsed, 'by'), users)
      const ended = [...chain.ended, { username, sequence: link.sequence }]
      chain = { ...chain, ...rest, ...link, ended }
    } else if (parsed.kind === 'conversation-key') {
      chain = takeRequest(chain, changes, parsed, link, users)
      changes = []
    } else {
      check(parsed.kind.startsWith('conversation-'), `a ${parsed.kind} in a conversation's chain`)
      changes.push(parsed)
      check(changes.length <= MAX_CHANGES, `${changes.length} changes in a request`)
      const isReserved = link.sequence > MAX_LINKS - RESERVED_LINKS && parsed.kind !== 'conversation-remove'
      check(!isReserved, `a ${parsed.kind} at ${link.sequence}`)
    }
  }
  check(changes.length === 0, 'changes without a key at the end')
  return chain
}

/** Changes, or none, with the key that ends them. */
function takeRequest(
  chain: ConversationChain,
  changes: readonly Parsed[],
  key: Parsed,
  link: Link,
  users: Users
): ConversationChain {
  const by = value(key, 'by')
  for (const change of changes) check(value(change, 'by') === by, 'two devices signed one request')
  const timers = changes.filter(({ kind }) => kind === 'conversation-timer')
  check(timers.length < 2, 'two timers in one request')
  const named = namedStates(key, chain.highest, users)
  const states = new Map(chain.states)
  const latest = new Map([...states, ...named].map(([name, state]) => [name, stateAt(users, name, state)]))
  let now = { kind: chain.kind, members: chain.members, messageTtl: chain.messageTtl }
  const touched = new Set<string>()
  const ended = [...chain.ended]
  const signer = signerOf(by, latest, users)
  for (const change of changes) {
    now = applyChange(now, change, signer, latest)
    for (const name of states.keys()) if (!now.members.has(name)) states.delete(name)
    for (const [username = ''] of values(change, 'member'))
      if (change.kind === 'conversation-remove')
        ended.push({ username, sequence: Number(value(change, 'sequence')) })
      else if (change.kind !== 'conversation-role') touched.add(username)
  }
  check(now.members.size <= MAX_MEMBERS, `${now.members.size} members`)
  for (const name of touched) check(now.members.has(name), `${name} came in and is out again`)
  requireDueStates(now.members, states, named)
  for (const [name, state] of named) states.set(name, state)
  const current = new Map([...states.keys()].map((name) => [name, given(latest.get(name), name)]))
  const roster = rosterOf(now.members, current)
  check(rosterHash(roster) === value(key, 'roster'), 'a roster that is not that of the chains')
  const makers = roster.filter((line) => line.signingFp === by && line.username === signer)
  check(makers[0]?.purpose === 'chat', `the maker of the key, ${by}, is not in its roster`)
  const made = {
    hash: link.head,
    id: value(key, 'session-key'),
    sequence: link.sequence,
    commitment: value(key, 'commitment'),
    by,
    roster
  }
  const highest = new Map([...chain.highest, ...named])
  const keys = new Map([...chain.keys, [link.head, made]])
  return { id: chain.id, ...now, ...link, states, highest, ended, keys }
}

/** The `state` lines. @throws Refused if one goes back, or is not on the user's chain */
function namedStates(key: Parsed, highest: ReadonlyMap<string, Link>, users: Users): Map<string, Link> {
  const named = new Map<string, Link>()
  for (const [name = '', number, head = ''] of values(key, 'state')) {
    const state = { sequence: Number(number), head }
    stateAt(users, name, state)
    check(state.sequence >= (highest.get(name)?.sequence ?? 0), `the state of ${name} goes back`)
    named.set(name, state)
  }
  return named
}

/** @throws Refused unless the lines are those of members who are new or whose state differs, and no others */
function requireDueStates(
  members: ReadonlyMap<string, Member>,
  before: ReadonlyMap<string, Link>,
  named: ReadonlyMap<string, Link>
): void {
  for (const name of members.keys()) check(before.has(name) || named.has(name), `no state of ${name}`)
  for (const [name, { head }] of named) {
    check(members.has(name), `a state of ${name}, who is not a member`)
    check(before.get(name)?.head !== head, `a state of ${name} that says nothing new`)
  }
}
