import type { UserHistory } from '../../protocol/user-history.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import { readRange } from './read-range.js'

/** Where a conversation ended for devices or a member, when this client learned that they had gone. */
export type Boundary = {
  /** The newest statement of the conversation's chain; of a member: the one that ended the membership. */
  sequence: number
  /** Position of the newest event, by the server's word. */
  position: number
  /** What lies up to this position was not read from the stream: it was the past already. */
  start: number
}

/** The boundary of the devices that a statement of their user's chain has retired, or one before it. */
type DevicesEnd = Boundary & { retired: number; hash: string }

/** The first request of a conversation's chain that the stream has brought since it began. */
type FirstRequest = {
  /** Where the stream began. */
  start: number
  sequence: number
  position: number
}

/** Stores where each conversation ended for those who have gone. */
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

  /** Where the conversation ended for a member the last time. A membership after it is another one. */
  ofMember(id: string, username: string): Promise<Boundary | undefined> {
    return this.#store.get<Boundary>(memberName(id, username))
  }

  /** Position at which the stream, read in order, has brought the going of a device; undefined if it has not. */
  seenAt(signingKey: string): Promise<number | undefined> {
    return this.#store.get<number>(seenName(signingKey))
  }

  async noteSeen(tx: StoreTransaction, signingKey: string, position: number): Promise<void> {
    if ((await tx.get(seenName(signingKey))) === undefined) tx.set(seenName(signingKey), position)
  }

  /** @param users the newest goings of their devices, by the statement that retired each */
  async setDevices(
    id: string,
    users: readonly (readonly [user: UserHistory, retired: number])[],
    at: Pick<Boundary, 'sequence' | 'position'>
  ): Promise<void> {
    if (users.length === 0) return
    await this.#store.update(async (tx) => {
      const { start } = await readRange(tx)
      for (const [user, retired] of users) {
        const name = devicesName(id, user.chain.user)
        const ends = (await tx.get<DevicesEnd[]>(name)) ?? []
        tx.set(name, [...ends, { ...at, start, retired, hash: user.hashes[retired - 1]! }])
      }
    })
  }

  /** @param gone the statements that ended their memberships */
  async setMembers(
    id: string,
    gone: readonly (readonly [username: string, sequence: number])[],
    position: number
  ): Promise<void> {
    if (gone.length === 0) return
    await this.#store.update(async (tx) => {
      const { start } = await readRange(tx)
      for (const [username, sequence] of gone) {
        const name = memberName(id, username)
        // A user who is in again has begun another membership: the boundary is that of the keys before.
        if (((await tx.get<Boundary>(name))?.sequence ?? 0) < sequence)
          tx.set(name, { sequence, position, start } satisfies Boundary)
      }
    })
  }

  /** Devices may have changed the conversation up to this statement. */
  async open(id: string, sequence: number): Promise<void> {
    await this.#store.update((tx) => changeEnds(tx, id, (end) => ({ ...end, sequence })))
  }

  /**
   * The stream has brought a statement of the chain, or what was made after it. For those who had gone before, and
   * for members who went with it, the conversation ends here at the latest, whatever position the server gave.
   */
  async noteStreamed(tx: StoreTransaction, id: string, sequence: number, position: number): Promise<void> {
    await changeEnds(tx, id, (end) =>
      end.sequence < sequence && end.position > position ? { ...end, position } : end
    )
    for (const [name, end] of await tx.list<Boundary>(memberName(id, '')))
      if (end.sequence <= sequence && end.position > position) tx.set(name, { ...end, position })
  }

  /** The stream has brought a request of the chain, with these statements. */
  async noteRequest(id: string, first: number, last: number, position: number): Promise<void> {
    await this.#store.update(async (tx) => {
      await this.noteStreamed(tx, id, last, position)
      const { start } = await readRange(tx)
      if ((await tx.get<FirstRequest>(firstName(id)))?.start !== start)
        tx.set(firstName(id), { start, sequence: first, position } satisfies FirstRequest)
    })
  }

  /** Whether a statement of the chain was made after the beginning of the stream that a boundary knows. */
  async isAfterStart(id: string, sequence: number, { start }: Boundary): Promise<boolean> {
    const first = await this.#store.get<FirstRequest>(firstName(id))
    return first !== undefined && first.position > start && sequence >= first.sequence
  }
}

async function changeEnds(
  tx: StoreTransaction,
  id: string,
  change: (end: DevicesEnd) => DevicesEnd
): Promise<void> {
  for (const [name, ends] of await tx.list<DevicesEnd[]>(devicesName(id, ''))) {
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

function firstName(id: string): string {
  return `first-streamed/${id}`
}

function seenName(signingKey: string): string {
  return `gone-at/${signingKey}`
}
