import { ChatError, isDecidedRefusal, serverBehind } from '../errors.js'
import type { Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import { alarmOf, type Alarms } from './alarms.js'
import { bumpChainRevision } from './chain-revision.js'
import { batches, fetchChains } from './fetch-chains.js'
import { lookAt, type Look } from './look.js'
import type { OwnDevice } from './own-device.js'
import type { PublicKeys } from './public-keys.js'
import { returnStatements } from './return-statements.js'
import type { Extension, UserCopies } from './user-copies.js'

/**
 * How the server's chain of a user compares with the copy of this client, by the last look. `behind`: it is a
 * proper beginning of the copy. `forked`: another statement stands in the place of a known one.
 */
export type ChainStatus = 'current' | 'behind' | 'forked'

/** A chain that is behind at the second look is behind; the third shows whether the server took it back. */
const LOOKS = 3

interface NextLook {
  usernames: Set<string>
  failures: Promise<Map<string, unknown>>
}

/** Looks at the server's chains of users, and extends the copies by what is valid. */
export class ChainLooks {
  readonly #api: Api
  readonly #store: Store
  readonly #me: OwnDevice
  readonly #copies: UserCopies
  readonly #keys: PublicKeys
  readonly #alarms: Alarms
  readonly #statuses = new Map<string, ChainStatus>()
  /** What the last look at each chain that is not current has shown. */
  readonly #troubles = new Map<string, ChatError>()
  /** Ends of the server's chains, by username, at which it was given the rest already. */
  readonly #returned = new Map<string, number>()
  /** The look that has not begun: users may still join it. */
  #next: NextLook | null = null
  #running: Promise<unknown> = Promise.resolve()
  #tellGone: (username: string) => void = () => undefined

  constructor(api: Api, store: Store, me: OwnDevice, copies: UserCopies, keys: PublicKeys, alarms: Alarms) {
    this.#api = api
    this.#store = store
    this.#me = me
    this.#copies = copies
    this.#keys = keys
    this.#alarms = alarms
  }

  status(username: string): ChainStatus {
    return this.#statuses.get(username) ?? 'current'
  }

  /** `server-behind` or `forked-chain`, if the chain is not current; it names the two ends. */
  trouble(username: string): ChatError | undefined {
    return this.status(username) === 'current' ? undefined : this.#troubles.get(username)
  }

  /** Call this when a look shows that a device of a user has gone. */
  whenGone(tell: (username: string) => void): void {
    this.#tellGone = tell
  }

  /**
   * Look at these users' chains, in a request that begins after this call.
   *
   * @returns why chains were refused, by username
   */
  async at(usernames: readonly string[]): Promise<ReadonlyMap<string, unknown>> {
    const look = this.#nextLook()
    for (const username of usernames) look.usernames.add(username)
    return look.failures
  }

  async setStatus(username: string, status: ChainStatus): Promise<void> {
    await this.#note(username, status)
    if (status !== 'current') return
    this.#returned.delete(username)
    await this.#alarms.resolve({ code: 'server-behind', about: { username } })
  }

  /** Forget everything that is held in memory. */
  clear(): void {
    this.#statuses.clear()
    this.#troubles.clear()
    this.#returned.clear()
  }

  #nextLook(): NextLook {
    if (this.#next !== null) return this.#next
    const usernames = new Set<string>()
    const failures = this.#running.then(() => {
      this.#next = null
      return this.#lookAll([...usernames])
    })
    this.#running = failures.catch(() => undefined)
    this.#next = { usernames, failures }
    return this.#next
  }

  async #lookAll(usernames: readonly string[]): Promise<Map<string, unknown>> {
    const failures = new Map<string, unknown>()
    for (const batch of batches(usernames)) {
      let unsettled = batch
      for (let tries = 1; tries <= LOOKS && unsettled.length > 0; tries++)
        unsettled = await this.#look(unsettled, tries, failures)
    }
    return failures
  }

  /** Returns the users who have to be looked at again. */
  async #look(
    usernames: readonly string[],
    tries: number,
    failures: Map<string, unknown>
  ): Promise<string[]> {
    const copies = await Promise.all(usernames.map((username) => this.#copies.get(username)))
    const asked = usernames.map((username, at) => ({ username, after: copies[at]?.chain.sequence ?? 0 }))
    const served = await fetchChains(this.#api, asked)
    const extensions: Extension[] = []
    const unsettled: string[] = []
    for (const [at, username] of usernames.entries()) {
      try {
        const look = await lookAt(username, copies[at], served.get(username), this.#keys)
        if (look.status !== 'behind') extensions.push({ username, ...look })
        if (await this.#settle(username, look, tries)) continue
        unsettled.push(username)
      } catch (error) {
        const isFork = error instanceof ChatError && error.code === 'forked-chain'
        failures.set(username, isFork ? await this.#fork(username, error) : error)
      }
    }
    await this.#copies.extend(extensions)
    for (const { username, added } of extensions)
      if (added.some(({ statement: { kind } }) => kind === 'device-revoke' || kind === 'device-reset'))
        this.#tellGone(username)
    return unsettled
  }

  /** Whether the look says enough. */
  async #settle(username: string, look: Look, tries: number): Promise<boolean> {
    if (look.status === 'current') {
      await this.setStatus(username, 'current')
      return true
    }
    if (look.status === 'moving' || tries === 1) return false
    const error = this.#toTell(serverBehind(username, look.heads), username)
    this.#troubles.set(username, error)
    await this.#note(username, 'behind')
    await this.#alarms.raiseOnce({ ...alarmOf(error), about: { username } })
    return !(await this.#giveBack(username, look.sequence))
  }

  /** Returns whether the server took something, so that it has to be looked at again. */
  async #giveBack(username: string, after: number): Promise<boolean> {
    if (this.#returned.get(username) === after) return false
    this.#returned.set(username, after)
    try {
      return await returnStatements(this.#api, this.#store, this.#keys, username, after)
    } catch (error) {
      if (!(error instanceof ChatError)) throw error
      if (!isDecidedRefusal(error)) this.#returned.delete(username)
      return false
    }
  }

  /** Who seals has to find out at once: what was good at the revision before is judged again. */
  async #note(username: string, status: ChainStatus): Promise<void> {
    if (this.status(username) === status) return
    this.#statuses.set(username, status)
    await this.#store.update(bumpChainRevision)
  }

  /** Nobody is asked to accept a chain in the place of their own. */
  #toTell(error: ChatError, username: string): ChatError {
    return username === this.#me.account?.username ? ownTrouble(error) : error
  }

  /** Returns what to tell. */
  async #fork(username: string, error: ChatError): Promise<ChatError> {
    const told = this.#toTell(error, username)
    this.#troubles.set(username, told)
    await this.#note(username, 'forked')
    this.#alarms.raise({ ...alarmOf(told), about: { username } })
    return told
  }
}

function ownTrouble({ kind, code, message, heads }: ChatError): ChatError {
  return new ChatError(kind, code, message, {
    heads: heads!,
    hint: 'This device goes by the chain that it has. Compare what your devices list; if they are lost, reset.'
  })
}
