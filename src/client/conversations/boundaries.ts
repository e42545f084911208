import type { ConversationHistory } from '../../protocol/conversation-history.js'
import type { UserHistory } from '../../protocol/user-history.js'
import { readHash } from '../identity/user-record.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import { streamStart } from '../stores/read-range.js'
import type { TakenRequest } from './record.js'
import { linksOf } from './verify.js'

/** Where a conversation ended for devices or a member, when this client learned that they had gone. */
export type Boundary = {
  /** The newest statement of the conversation's chain; of a member: the one that ended the membership. */
  sequence: number
  /** Position of the newest event, by the server's word. */
  position: number
}

/** The boundary of the devices that a statement of their user's chain has retired, or one before it. */
type DevicesEnd = Boundary & { retired: number; hash: string }

/** The position of an end that nobody has said yet. */
const NOT_SAID = Number.MAX_SAFE_INTEGER

/** The boundary of a membership that a statement of the conversation's chain has ended. */
type MemberEnd = Boundary & { hash: string }

/** Where the stream has brought the going of a device, and the statement of its user's chain. */
type SeenGoing = { position: number; retired: number; hash: string }

/** The first request of a conversation's chain that the stream has brought in one of its ranges. */
type FirstRequest = { sequence: number; hash: string; position: number }

/**
 * Stores where each conversation ended for those who have gone. Each record names the statement that it was learned
 * from: it counts for nothing in a chain without that statement, which the person has taken in the place of another.
 */
export class Boundaries {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** Where the conversation ended for the devices that the user's chain had retired by then. */
  async ofDevices(id: string, user: UserHistory, retired: number): Promise<Boundary | undefined> {
    return (await this.#ends(id, user)).find((end) => end.retired >= retired)
  }

  /** The newest statement of the user's chain whose goings have a boundary; 0 if there is none. */
  async settledTo(id: string, user: UserHistory): Promise<number> {
    return (await this.#ends(id, user)).at(-1)?.retired ?? 0
  }

  /** An end that was set by another chain of the user counts for nothing. */
  async #ends(id: string, user: UserHistory): Promise<DevicesEnd[]> {
    const ends = (await this.#store.get<DevicesEnd[]>(devicesName(id, user.chain.user))) ?? []
    return ends.filter(({ retired, hash }) => user.hashes[retired - 1] === hash)
  }

  /**
   * Where the membership ended to which a key of the chain belongs; undefined if it has not. A key that was made after
   * an end belongs to another one.
   */
  async ofMember(history: ConversationHistory, username: string, key: number): Promise<Boundary | undefined> {
    const ends = await this.#store.get<MemberEnd[]>(memberName(history.id, username))
    return ends?.find((end) => end.sequence >= key && isIn(history, end))
  }

  /** Position at which the stream, read in order, has brought the going of a device; undefined if it has not. */
  async seenAt({ chain, hashes }: UserHistory, signingKey: string): Promise<number | undefined> {
    const seen = await this.#store.get<SeenGoing>(seenName(signingKey, chain.user))
    return seen !== undefined && hashes[seen.retired - 1] === seen.hash ? seen.position : undefined
  }

  /** Whether the stream has brought the going of a device before this position, whoever's the device is. */
  async isSeenBefore(signingKey: string, position: number): Promise<boolean> {
    for (const [name, seen] of await this.#store.list<SeenGoing>(seenName(signingKey, ''))) {
      const username = name.slice(seenName(signingKey, '').length)
      const isKnown = (await readHash(this.#store, username, seen.retired)) === seen.hash
      if (isKnown && position > seen.position) return true
    }
    return false
  }

  /** @param retired the statement of the user's chain that retired the device */
  async noteSeen(
    tx: StoreTransaction,
    { chain, hashes }: UserHistory,
    signingKey: string,
    retired: number,
    position: number
  ): Promise<void> {
    const name = seenName(signingKey, chain.user)
    const hash = hashes[retired - 1]!
    if ((await tx.get<SeenGoing>(name))?.hash !== hash)
      tx.set(name, { position, retired, hash } satisfies SeenGoing)
  }

  /** @param users the newest goings of their devices, by the statement that retired each */
  async setDevices(
    id: string,
    users: readonly (readonly [user: UserHistory, retired: number])[],
    at: Boundary
  ): Promise<void> {
    if (users.length === 0) return
    await this.#store.update(async (tx) => {
      for (const [user, retired] of users) {
        const name = devicesName(id, user.chain.user)
        const ends = (await tx.get<DevicesEnd[]>(name)) ?? []
        tx.set(name, [...ends, { ...at, retired, hash: user.hashes[retired - 1]! }])
      }
    })
  }

  /** Note the departures that requests bring, together with the requests. Nobody has said yet where. */
  async noteDepartures(tx: StoreTransaction, id: string, added: readonly TakenRequest[]): Promise<void> {
    for (const { username, sequence, hash } of added.flatMap(departures)) {
      const ends = (await tx.get<MemberEnd[]>(memberName(id, username))) ?? []
      if (!ends.some((end) => end.hash === hash))
        tx.set(memberName(id, username), [...ends, { sequence, position: NOT_SAID, hash }])
    }
  }

  /** Where the conversation ended for those whose departures requests have brought. */
  async setMembers(id: string, added: readonly TakenRequest[], position: number): Promise<void> {
    const hashes = new Set(added.flatMap(departures).map(({ hash }) => hash))
    if (hashes.size === 0) return
    await this.#store.update((tx) =>
      changeEnds<MemberEnd>(tx, memberName(id, ''), (end) =>
        end.position === NOT_SAID && hashes.has(end.hash) ? { ...end, position } : end
      )
    )
  }

  /** The person has taken this chain: devices may have changed it, and members are in who were gone in another. */
  async open(history: ConversationHistory): Promise<void> {
    const { id, sequence } = history.chain!
    await this.#store.update(async (tx) => {
      await changeEnds<DevicesEnd>(tx, devicesName(id, ''), (end) => ({ ...end, sequence }))
      for (const [name, ends] of await tx.list<MemberEnd[]>(memberName(id, '')))
        tx.set(
          name,
          ends.filter((end) => isIn(history, end))
        )
    })
  }

  /**
   * The stream has brought a statement of the chain, or what was made after it. For those who had gone before, and
   * for members who went with it, the conversation ends here at the latest, whatever position the server gave.
   */
  async noteStreamed(tx: StoreTransaction, id: string, sequence: number, position: number): Promise<void> {
    const atLatest = <E extends Boundary>(end: E): E => (end.position > position ? { ...end, position } : end)
    await changeEnds<DevicesEnd>(tx, devicesName(id, ''), (end) =>
      end.sequence < sequence ? atLatest(end) : end
    )
    await changeEnds<MemberEnd>(tx, memberName(id, ''), (end) =>
      end.sequence <= sequence ? atLatest(end) : end
    )
  }

  /** The stream has brought a request of the chain, with these statements. */
  async noteRequest(
    history: ConversationHistory,
    sequence: number,
    last: number,
    position: number
  ): Promise<void> {
    const { id } = history
    await this.#store.update(async (tx) => {
      await this.noteStreamed(tx, id, last, position)
      const name = firstName(id, await streamStart(tx))
      const known = await tx.get<FirstRequest>(name)
      if (known !== undefined && isIn(history, known)) return
      tx.set(name, { sequence, hash: history.hashAt(sequence)!, position } satisfies FirstRequest)
    })
  }

  /** Whether the stream has shown that a statement of the chain was made after this position. */
  async isMadeAfter(history: ConversationHistory, sequence: number, position: number): Promise<boolean> {
    const firsts = await this.#store.list<FirstRequest>(firstName(history.id, ''))
    return firsts.some(
      ([, first]) => first.position >= position && first.sequence <= sequence && isIn(history, first)
    )
  }
}

/** The memberships that a request ended, by the statements that did. It may have begun others of the same users. */
function departures({ request, before, after }: TakenRequest) {
  return linksOf(request).flatMap(({ statement, hash }) => {
    const { kind, sequence } = statement
    if (kind === 'conversation-remove') return [{ username: statement.username, sequence, hash }]
    if (kind !== 'conversation-leave') return []
    const gone = [...(before?.members.keys() ?? [])].filter((username) => !after.members.has(username))
    return gone.map((username) => ({ username, sequence, hash }))
  })
}

function isIn(history: ConversationHistory, { sequence, hash }: { sequence: number; hash: string }): boolean {
  return history.hashAt(sequence) === hash
}

async function changeEnds<E extends Boundary>(
  tx: StoreTransaction,
  prefix: string,
  change: (end: E) => E
): Promise<void> {
  for (const [name, ends] of await tx.list<E[]>(prefix)) {
    const changed = ends.map(change)
    if (changed.some((end, at) => end !== ends[at])) tx.set(name, changed)
  }
}

function devicesName(id: string, username: string): string {
  return `gone/${id}/devices/${username}`
}

function memberName(id: string, username: string): string {
  return `gone/${id}/member/${username}`
}

function firstName(id: string, start: number | ''): string {
  return `first-streamed/${id}/${start}`
}

function seenName(signingKey: string, username: string): string {
  return `gone-at/${signingKey}/${username}`
}
