import { ChatError, isDecidedRefusal, serverBehind } from '../errors.js'
import type { Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import { alarmOf, type Alarms } from './alarms.js'
import type { ChainDoubts, Doubt } from './chain-doubts.js'
import { batches, fetchChains } from './fetch-chains.js'
import { lookAt, type Look, type ServedHistory } from './look.js'
import type { OwnDevice } from './own-device.js'
import type { PublicKeys } from './public-keys.js'
import { returnStatements } from './return-statements.js'
import type { Extension, UserCopies } from './user-copies.js'

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
  readonly #doubts: ChainDoubts
  /** Ends of the server's chains, by username, at which it was given the rest already. */
  readonly #returned = new Map<string, number>()
  /** The look that has not begun: users may still join it. */
  #next: NextLook | null = null
  #running: Promise<unknown> = Promise.resolve()
  #tellGone: (username: string) => void = () => undefined

  constructor(
    api: Api,
    store: Store,
    me: OwnDevice,
    copies: UserCopies,
    keys: PublicKeys,
    alarms: Alarms,
    doubts: ChainDoubts
  ) {
    this.#api = api
    this.#store = store
    this.#me = me
    this.#copies = copies
    this.#keys = keys
    this.#alarms = alarms
    this.#doubts = doubts
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

  /** The server shows the whole chain, or the person has taken the one that it shows. */
  async isWhole(username: string, before?: Doubt): Promise<void> {
    this.#returned.delete(username)
    if (before !== undefined) await this.#doubts.settle(username, before)
    await this.#alarms.resolve({ code: 'server-behind', about: { username } })
  }

  /** Forget everything that is held in memory. */
  clear(): void {
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
    const doubts = await Promise.all(usernames.map((username) => this.#doubts.of(username)))
    // Another process that doubts a chain may know more of it.
    await this.#copies.refresh()
    const copies = await Promise.all(usernames.map((username) => this.#copies.get(username)))
    const asked = usernames.map((username, at) => ({ username, after: copies[at]?.chain.sequence ?? 0 }))
    const served = await fetchChains(this.#api, asked)
    const extensions: Extension[] = []
    const whole: (readonly [username: string, before: Doubt | undefined])[] = []
    const unsettled: string[] = []
    for (const [at, username] of usernames.entries()) {
      try {
        const look = await lookAt(username, copies[at], served.get(username), this.#keys)
        if (look.status !== 'behind') extensions.push({ username, ...look })
        if (look.status === 'current') whole.push([username, doubts[at]])
        else if (!(await this.#isSettled(username, look, tries))) unsettled.push(username)
      } catch (error) {
        const isFork = error instanceof ChatError && error.code === 'forked-chain'
        failures.set(username, isFork ? await this.#fork(username, error) : error)
      }
    }
    await this.#copies.extend(extensions)
    for (const [username, before] of whole) await this.isWhole(username, before)
    for (const { username, added } of extensions)
      if (added.some(({ statement: { kind } }) => kind === 'device-revoke' || kind === 'device-reset'))
        this.#tellGone(username)
    return unsettled
  }

  /** Whether the look says enough. */
  async #isSettled(username: string, look: Exclude<Look, ServedHistory>, tries: number): Promise<boolean> {
    if (look.status === 'moving' || tries === 1) return false
    const error = this.#toTell(serverBehind(username, look.heads), username)
    await this.#doubts.note(username, error)
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

  /** Nobody is asked to accept a chain in the place of their own. */
  #toTell(error: ChatError, username: string): ChatError {
    return username === this.#me.account?.username ? ownTrouble(error) : error
  }

  /** Returns what to tell. */
  async #fork(username: string, error: ChatError): Promise<ChatError> {
    const told = this.#toTell(error, username)
    await this.#doubts.note(username, told)
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
