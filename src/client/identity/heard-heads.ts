import type { ConversationKind, Role } from '../../protocol/statements.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import { ChatError, untrusted, type Heads } from '../errors.js'
import { alarmOf, type Alarms } from './alarms.js'

/** Where a chain ended for somebody whom this person trusts. */
export type HeardHead = {
  sequence: number
  head: string
  from: string
  /** The place of an own device's message among those that it has sent: the key's link, and its number. */
  said?: { key: number; n: number }
  /** The word of another user: the person has taken the chain in spite of it, and so of each word that goes no further. */
  isOver?: boolean
}

/** By the signing key of the own device that sent it, or by the name of another source. */
type Heard = { [by: string]: HeardHead }

/** The hash of a statement of a chain as this client has it; undefined beyond its end. */
type HashAt = (sequence: number) => string | undefined

/** Whose chain it is. */
type About = { username: string } | { conversationId: string }

/** What is known of a conversation's members, as far as it is known. */
interface Members {
  kind: ConversationKind
  members: ReadonlyMap<string, { role: Role }>
}

const SIGNING_KEY = /^[0-9a-f]{64}$/
/** An own device by its signing key, or the own backup. Neither is a username. */
const OWN_SOURCE = /^([0-9a-f]{64}|.* .*)$/

/** Whether an own device, or the own backup, has said it. */
export function isOwnSource(by: string): boolean {
  return OWN_SOURCE.test(by)
}

/**
 * Groups in which one user's word is kept, the newest. A user who adds this person to more of them is heard in these;
 * a stranger fills no store, and costs no more than the direct conversation in which the words come.
 */
const MAX_WELCOMES = 32

/**
 * Whether a head of a conversation counts. Only an admin adds people, so only an admin of today can have welcomed
 * this person: the word of anybody else would stop any group, and that of a former member every one that was left.
 *
 * @param removed members whose words fall with the request that removes them
 */
export function countsIn({ kind, members }: Members, removed?: ReadonlySet<string>): (by: string) => boolean {
  const isAdmin = (by: string): boolean => kind === 'group' && members.get(by)?.role === 'admin'
  return (by) => isOwnSource(by) || (isAdmin(by) && removed?.has(by) !== true)
}

/** Whether a user was a member, and is none any more. */
export function hasGone(
  { usernames }: { usernames: readonly string[] },
  { members }: Pick<Members, 'members'>
): (username: string) => boolean {
  return (username) => usernames.includes(username) && !members.has(username)
}

/**
 * Ends of chains that own devices, or an admin who added this person, have sent in messages. The server has to
 * show as much, and the same. The words of own devices stand together, by the chain; those of others each by itself.
 */
export class HeardHeads {
  readonly #store: Store
  readonly #alarms: Alarms

  constructor(store: Store, alarms: Alarms) {
    this.#store = store
    this.#alarms = alarms
  }

  /**
   * The newest message of an own device counts: the person may have taken a shorter chain there. From the own backup
   * the farther head counts.
   *
   * @param name a username, or a conversation's id
   * @param by the source: a signing key of an own device, or the own backup
   * @returns whether it counts
   */
  async note(tx: StoreTransaction, name: string, by: string, heard: HeardHead): Promise<boolean> {
    const all = (await tx.get<Heard>(recordName(name))) ?? {}
    // A user may have the name of something that every object inherits.
    if (!isNewer(heard, Object.hasOwn(all, by) ? all[by] : undefined)) return false
    tx.set(recordName(name), { ...all, [by]: { ...heard } })
    return true
  }

  /**
   * The word of another user about a conversation: the farthest head, in the newest conversations.
   *
   * @returns whether it is new
   */
  async noteWelcome(tx: StoreTransaction, id: string, heard: HeardHead): Promise<boolean> {
    const { from } = heard
    if (!isNewer(heard, await tx.get<HeardHead>(welcomeName(id, from)))) return false
    tx.set(welcomeName(id, from), { ...heard })
    const others = ((await tx.get<string[]>(welcomesName(from))) ?? []).filter((one) => one !== id)
    for (const old of others.splice(0, others.length - MAX_WELCOMES + 1)) tx.delete(welcomeName(old, from))
    tx.set(welcomesName(from), [...others, id])
    return true
  }

  /** Whether the person has taken the chain in spite of this word of another user, or of one that went further. */
  async isOver(id: string, { from, sequence }: HeardHead): Promise<boolean> {
    const before = await this.#store.get<HeardHead>(welcomeName(id, from))
    return before?.isOver === true && sequence <= before.sequence
  }

  /**
   * Tell it, once, if two heads stand at one place of a chain: one that was heard and the one known here, or two
   * that were heard.
   *
   * @param counts whether a source's word counts
   * @param more a head that comes now, and is not noted yet
   */
  async compare(
    about: About,
    counts: (by: string) => boolean,
    hashAt: (sequence: number) => string | undefined | Promise<string | undefined>,
    more?: { by: string; heard: HeardHead }
  ): Promise<void> {
    const name = nameOf(about)
    const all = new Map(await this.#heard(about))
    const isOlder = more !== undefined && !isNewer(more.heard, all.get(more.by))
    if (more !== undefined && !isOlder) all.set(more.by, more.heard)
    const heard = [...all].filter(([by]) => counts(by)).map(([, head]) => head)
    // A member who names two heads for one place is wrong in one of them; an own device has changed its mind.
    if (isOlder && more.heard.said === undefined) heard.push(more.heard)
    const others = new Map<number, HeardHead>()
    for (const { sequence, head, from } of heard) {
      const hash = await hashAt(sequence)
      const other = hash === undefined ? others.get(sequence) : { head: hash, from: 'this device' }
      others.set(sequence, { sequence, head, from })
      if (other === undefined || other.head === head) continue
      const heads = { known: other.head, served: head }
      await this.#alarms.raiseOnce({ ...alarmOf(forkedHead(name, sequence, from, other.from, heads)), about })
    }
  }

  /** The person has taken a chain as the server shows it: if something does not fit then, it is told again. */
  async accepted(about: About): Promise<void> {
    for (const code of ['forked-chain', 'withheld-chain']) await this.#alarms.resolve({ code, about })
  }

  /**
   * @param counts whether a source's word counts
   * @param look fetches what the server shows, if the chain is too short
   * @throws {ChatError} `withheld-chain` or `forked-chain` (`untrusted`)
   */
  async require(
    about: About,
    counts: (by: string) => boolean,
    hashAt: HashAt,
    look: () => Promise<HashAt>
  ): Promise<void> {
    const name = nameOf(about)
    for (const [by, { sequence, head, from }] of await this.#heard(about)) {
      if (!counts(by)) continue
      const hash = hashAt(sequence) ?? (await look())(sequence)
      if (hash === undefined)
        throw untrusted(
          'withheld-chain',
          `The server does not show statement ${sequence} of the chain of ${name}, which ${from} knows.`
        )
      if (hash !== head) throw forkedHead(name, sequence, from, 'this device', { known: hash, served: head })
    }
  }

  /** All words about a chain, by their sources. */
  async #heard(about: About): Promise<[by: string, heard: HeardHead][]> {
    const own = Object.entries((await this.#store.get<Heard>(recordName(nameOf(about)))) ?? {})
    if ('username' in about) return own
    const welcomes = await this.#store.list<HeardHead>(welcomeName(about.conversationId))
    const open = welcomes.map(([, heard]) => heard).filter(({ isOver }) => isOver !== true)
    return [...own, ...open.map((heard): [string, HeardHead] => [heard.from, heard])]
  }
}

function nameOf(about: About): string {
  return 'username' in about ? about.username : about.conversationId
}

function isNewer({ sequence, said }: HeardHead, before: HeardHead | undefined): boolean {
  if (before === undefined) return true
  if (said === undefined) return sequence > before.sequence
  if (before.said === undefined) return true
  return said.key > before.said.key || (said.key === before.said.key && said.n > before.said.n)
}

function forkedHead(name: string, sequence: number, by: string, other: string, heads: Heads): ChatError {
  const { known, served } = heads
  const message =
    `Two statements ${sequence} of the chain of ${name} are known: ` +
    `to ${by} it is ${served}, to ${other} ${known}.`
  return new ChatError('untrusted', 'forked-chain', message, { heads })
}

/** The person has taken a chain as the server shows it, whatever was heard of it. */
export async function forgetHeads(tx: StoreTransaction, name: string): Promise<void> {
  tx.delete(recordName(name))
  for (const [welcome, heard] of await tx.list<HeardHead>(welcomeName(name)))
    tx.set(welcome, { ...heard, isOver: true })
}

/** The words of users who have gone from a conversation fall with them: they do not count when the users come back. */
export async function dropWelcomes(
  tx: StoreTransaction,
  id: string,
  hasGone: (username: string) => boolean
): Promise<void> {
  for (const [name, { from }] of await tx.list<HeardHead>(welcomeName(id))) if (hasGone(from)) tx.delete(name)
}

/** Forget what own devices have sent that are not among these: they were revoked. */
export async function keepHeadsFrom(tx: StoreTransaction, active: ReadonlySet<string>): Promise<void> {
  for (const [name, heard] of await tx.list<Heard>(recordName(''))) {
    const kept = Object.entries(heard).filter(([by]) =>
      SIGNING_KEY.test(by) ? active.has(by) : isOwnSource(by)
    )
    if (kept.length === 0) tx.delete(name)
    else if (kept.length < Object.keys(heard).length) tx.set(name, Object.fromEntries(kept))
  }
}

function recordName(name: string): string {
  return `heard-head/${name}`
}

function welcomeName(id: string, from = ''): string {
  return `welcome/${id}/${from}`
}

/** The conversations in which a user's word is kept, the newest last. */
function welcomesName(from: string): string {
  return `welcomed/${from}`
}
