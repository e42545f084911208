import type { ConversationStatement } from '../../protocol/statements.js'
import type { DeviceHistory, UserHistory } from '../../protocol/user-history.js'
import { untrusted, type ChatError } from '../errors.js'
import type { Alarms } from '../identity/alarms.js'
import type { Boundaries, Boundary } from './boundaries.js'
import type { LoadedChain } from './chain-store.js'
import type { KnownUsers } from './chain-users.js'
import type { TakenRequest } from './record.js'
import { linksOf } from './verify.js'

interface GoneDevice {
  user: UserHistory
  signingKey: string
  /** The statement of the user's chain that retired it. */
  retired: number
}

/**
 * Notices which devices and members have gone, and where each conversation ended for them (protocol, rule 7). Their
 * messages and statements from behind that boundary are refused.
 */
export class Goings {
  readonly #boundaries: Boundaries
  readonly #alarms: Alarms

  constructor(boundaries: Boundaries, alarms: Alarms) {
    this.#boundaries = boundaries
    this.#alarms = alarms
  }

  /** @throws {ChatError} `after-revocation` (`untrusted`) if the device that signed it was gone before */
  async requireOpen(id: string, { by, sequence }: ConversationStatement, users: KnownUsers): Promise<void> {
    for (const username of users.owners(by)) {
      const user = users.get(username)!
      const { retired } = user.devices.get(by)!
      const gone = retired === null ? undefined : await this.#boundaries.ofDevices(id, user, retired)
      if (gone !== undefined && sequence > gone.sequence) throw lateStatement()
    }
  }

  /** @throws {ChatError} `after-revocation` (`untrusted`) if the stream has brought the going of a signer before */
  async requireBefore(request: TakenRequest['request'], position: number): Promise<void> {
    for (const { statement } of linksOf(request))
      if (await this.#boundaries.isSeenBefore(statement.by, position)) throw lateStatement()
  }

  /** Where the conversation ended for a device; undefined while none is known, or the device has not gone. */
  async deviceBoundary(
    id: string,
    user: UserHistory,
    { signingKey, retired }: DeviceHistory
  ): Promise<Boundary | undefined> {
    if (retired === null) return undefined
    const boundary = await this.#boundaries.ofDevices(id, user, retired)
    const seen = await this.#boundaries.seenAt(user, signingKey)
    if (boundary === undefined || seen === undefined || seen >= boundary.position) return boundary
    // The stream has brought the going since.
    return { ...boundary, position: seen }
  }

  /**
   * Set the boundaries of devices whose going the stream has brought: nothing has come since that is not known
   * here.
   *
   * @returns whether these are all. Else the conversation has to be looked at
   */
  async settleSeen(id: string, chain: LoadedChain): Promise<boolean> {
    const { sequence } = chain.history.chain!
    const others = new Set<UserHistory>()
    for (const { user, signingKey, retired } of await this.#withoutBoundary(id, chain)) {
      const position = await this.#boundaries.seenAt(user, signingKey)
      if (position === undefined) others.add(user)
      else if (!others.has(user))
        await this.#boundaries.setDevices(id, [[user, retired]], { sequence, position })
    }
    return others.size === 0
  }

  /**
   * Whether an event that was taken comes after all goings that are known here: its own key knows them. Else
   * others may have come after the event, and the chain has to be fetched to its end.
   */
  async isAfterAll(id: string, chain: LoadedChain): Promise<boolean> {
    const devices = await this.#withoutBoundary(id, chain)
    return devices.every(({ user, retired }) => retired <= (newestState(chain, user) ?? 0))
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
    const devices = await this.#withoutBoundary(id, chain)
    const newest = new Map(devices.map(({ user, retired }) => [user, retired]))
    await this.#boundaries.setDevices(id, [...newest], { sequence: chain.history.chain!.sequence, position })
    await this.#boundaries.setMembers(id, added, position)
    for (const { user, signingKey, retired } of devices) {
      const late = added
        .flatMap(({ request }) => linksOf(request))
        .find(({ statement }) => statement.by === signingKey)
      if (late === undefined) continue
      // The chain at first sight is the past, unless the stream has brought the going, and no key there knows it.
      const isPast = retired <= (newestState(chain, user) ?? Infinity)
      if (
        added[0]!.before === null &&
        (isPast || (await this.#boundaries.seenAt(user, signingKey)) === undefined)
      )
        continue
      const { user: username } = user.chain
      const message = `A device of ${username} that has gone had changed the conversation before this client knew.`
      const about = { conversationId: id, username }
      await this.#alarms.raiseOnce({ code: 'late-statement', message, about }, `late-statement/${late.hash}`)
    }
  }

  /** Sorted by the statements that retired them. */
  async #withoutBoundary(id: string, { history, users }: LoadedChain): Promise<GoneDevice[]> {
    const found: GoneDevice[] = []
    for (const username of history.usernames) {
      const user = users.get(username)
      if (user === undefined) continue
      // No key of this conversation was made for a device that had gone before the first one that names the user.
      let known = history.firstStateOf(username)
      const isGone = ({ retired }: DeviceHistory): boolean => retired !== null && retired > known
      const devices = [...user.devices.values()]
      if (!devices.some(isGone)) continue
      known = Math.max(known, await this.#boundaries.settledTo(id, user))
      for (const { signingKey, retired } of devices.filter(isGone))
        found.push({ user, signingKey, retired: retired! })
    }
    return found.sort((a, b) => a.retired - b.retired)
  }
}

/** What the newest key of the chain knows of a user's chain; undefined if the user is not in. */
function newestState({ history }: LoadedChain, { chain }: UserHistory): number | undefined {
  return history.chain!.members.get(chain.user)?.state.sequence
}

function lateStatement(): ChatError {
  return untrusted('after-revocation', 'A statement of the chain is by a device that was gone before.')
}
