import type { ConversationStatement } from '../../protocol/statements.js'
import { untrusted } from '../errors.js'
import type { Alarms } from '../identity/alarms.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import type { LoadedChain } from './chain-store.js'
import { readRange } from './read-range.js'
import type { TakenRequest } from './record.js'
import { linksOf } from './verify.js'

/** Where a conversation ended for a device or a member, when this client learned that it had gone. */
export type Boundary = {
  /** The newest statement of the conversation's chain. */
  sequence: number
  /** Position of the newest event, by the server's word. */
  position: number
  /** What lies up to this position was not read from the stream: it was the past already. */
  start: number
}

/** The first request of a conversation's chain that the stream has brought since it began. */
type FirstRequest = {
  /** Where the stream began. */
  start: number
  sequence: number
  position: number
}

interface GoneDevice {
  username: string
  signingKey: string
  /** The statement of the user's chain that retired it. */
  retired: number
}

/**
 * Records which devices and members have gone, and where each conversation ended for them (protocol, rule 7). Their
 * messages and statements from behind that boundary are refused.
 */
export class Goings {
  readonly #store: Store
  readonly #alarms: Alarms
  /** Names of boundaries that are in the store. */
  readonly #known = new Set<string>()

  constructor(store: Store, alarms: Alarms) {
    this.#store = store
    this.#alarms = alarms
  }

  /** @throws {ChatError} `after-revocation` (`untrusted`) if the device that signed it was gone before */
  async requireOpen(id: string, { by, sequence }: ConversationStatement): Promise<void> {
    const gone = await this.#store.get<Boundary>(deviceName(id, by))
    if (gone !== undefined && sequence > gone.sequence)
      throw untrusted('after-revocation', 'A statement of the chain is by a device that was gone before.')
  }

  /** The person takes the chain up to this statement, whoever has signed it. */
  async accept(id: string, sequence: number): Promise<void> {
    await this.#store.update(async (tx) => {
      for (const [name, gone] of await tx.list<Boundary>(deviceName(id, '')))
        tx.set(name, { ...gone, sequence })
    })
  }

  /** Forget everything that is held in memory. */
  clear(): void {
    this.#known.clear()
  }

  /** Where the conversation ended for a device; undefined while none is known. */
  async deviceBoundary(id: string, signingKey: string): Promise<Boundary | undefined> {
    const boundary = await this.#store.get<Boundary>(deviceName(id, signingKey))
    const seen = await this.#store.get<number>(seenName(signingKey))
    if (boundary === undefined || seen === undefined || seen >= boundary.position) return boundary
    // The stream has brought the going since.
    return { ...boundary, position: seen }
  }

  /** Where the conversation ended for a member the last time. A membership after it is another one. */
  memberBoundary(id: string, username: string): Promise<Boundary | undefined> {
    return this.#store.get<Boundary>(memberName(id, username))
  }

  /**
   * The stream has brought what was made after a statement of the chain. For those who had gone before it the
   * conversation ends here at the latest, whatever position the server gave for its end.
   */
  async noteStreamed(tx: StoreTransaction, id: string, after: number, position: number): Promise<void> {
    for (const [name, gone] of await tx.list<Boundary>(goneName(id)))
      if (gone.sequence <= after && gone.position > position) tx.set(name, { ...gone, position })
  }

  /** The stream has brought a request of the chain. @param first sequence of its first statement */
  async noteRequest(id: string, first: number, position: number): Promise<void> {
    await this.#store.update(async (tx) => {
      await this.noteStreamed(tx, id, first - 1, position)
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

  /** The stream, read in order, has brought the going of a user's device at this position. */
  async noteDevice(tx: StoreTransaction, signingKey: string, position: number): Promise<void> {
    if ((await tx.get(seenName(signingKey))) === undefined) tx.set(seenName(signingKey), position)
  }

  /**
   * Set the boundaries of devices whose going the stream has brought: nothing has come since that is not known
   * here.
   *
   * @returns the devices whose going was learned otherwise: the conversation has to be looked at
   */
  async settleSeen(id: string, chain: LoadedChain): Promise<GoneDevice[]> {
    const { sequence } = chain.history.chain!
    const others: GoneDevice[] = []
    for (const device of await this.#withoutBoundary(id, chain)) {
      const position = await this.#store.get<number>(seenName(device.signingKey))
      if (position === undefined) others.push(device)
      else await this.#set([{ name: deviceName(id, device.signingKey), sequence }], position)
    }
    return others
  }

  /**
   * Whether an event that was taken comes after all goings that are known here: its own key knows them. Else
   * others may have come after the event, and the chain has to be fetched to its end.
   */
  async isAfterAll(id: string, chain: LoadedChain): Promise<boolean> {
    const { members } = chain.history.chain!
    const devices = await this.#withoutBoundary(id, chain)
    return devices.every(({ username, retired }) => retired <= (members.get(username)?.state.sequence ?? 0))
  }

  /**
   * Set the boundaries of devices and members whose going is known now.
   *
   * @param added the requests that were taken last
   * @param position of the event that brought exactly these, after all goings; else the conversation's last one
   *   when the chain was fetched to its end
   */
  async settle(
    id: string,
    chain: LoadedChain,
    added: readonly TakenRequest[],
    position: number
  ): Promise<void> {
    const { sequence } = chain.history.chain!
    const devices = await this.#withoutBoundary(id, chain)
    const due = devices.map(({ signingKey }) => ({ name: deviceName(id, signingKey), sequence }))
    for (const { before, after } of added)
      for (const username of before?.members.keys() ?? [])
        // A user who is in again has begun another membership: the boundary is that of the keys before.
        if (!after.members.has(username))
          due.push({ name: memberName(id, username), sequence: after.sequence })
    if (due.length === 0) return
    await this.#set(due, position)
    // The chain at first sight is the past.
    if (added[0]?.before === null) return
    for (const { username, signingKey } of devices)
      if (added.some(({ request }) => isBy(request, signingKey)))
        await this.#alarms.raiseOnce({
          code: 'late-statement',
          message: `A device of ${username} that has gone had changed the conversation before this client knew.`,
          about: { conversationId: id, username }
        })
  }

  async #withoutBoundary(id: string, { history, users }: LoadedChain): Promise<GoneDevice[]> {
    const found: GoneDevice[] = []
    for (const username of history.usernames) {
      const first = history.firstStateOf(username)
      for (const { signingKey, retired } of users.get(username)?.devices.values() ?? []) {
        // No key of this conversation was made for a device that had gone before the first one that names the user.
        if (retired === null || retired <= first) continue
        if (!(await this.#isKnown(deviceName(id, signingKey)))) found.push({ username, signingKey, retired })
      }
    }
    return found
  }

  async #set(due: readonly { name: string; sequence: number }[], position: number): Promise<void> {
    await this.#store.update(async (tx) => {
      const { start } = await readRange(tx)
      for (const { name, sequence } of due) tx.set(name, { sequence, position, start } satisfies Boundary)
    })
  }

  async #isKnown(name: string): Promise<boolean> {
    if (this.#known.has(name)) return true
    if ((await this.#store.get(name)) === undefined) return false
    this.#known.add(name)
    return true
  }
}

function isBy(request: TakenRequest['request'], signingKey: string): boolean {
  return linksOf(request).some(({ statement }) => statement.by === signingKey)
}

function goneName(id: string): string {
  return `gone/${id}/`
}

function deviceName(id: string, signingKey: string): string {
  return `${goneName(id)}device/${signingKey}`
}

function memberName(id: string, username: string): string {
  return `${goneName(id)}member/${username}`
}

function firstName(id: string): string {
  return `first-streamed/${id}`
}

function seenName(signingKey: string): string {
  return `gone-at/${signingKey}`
}
