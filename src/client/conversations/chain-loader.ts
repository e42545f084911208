import type { ChainRequest, ConversationChain } from '../../protocol/conversation-chain.js'
import { ConversationHistory } from '../../protocol/conversation-history.js'
import { findMember } from '../../protocol/link-signers.js'
import { Turns } from '../../crypto/turns.js'
import { ChatError, toUntrusted, untrusted } from '../errors.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { UserChains } from '../identity/user-chains.js'
import type { Extension } from '../identity/user-copies.js'
import { LruMap } from '../stores/lru-map.js'
import type { ChainStore, LoadedChain } from './chain-store.js'
import { KnownUsers } from './chain-users.js'
import type { Goings } from './goings.js'
import type { StoredConversation, TakenRequest } from './record.js'
import { applyRequest, linksOf, type ServedRequest } from './verify.js'

/** The server shows a user's chain otherwise than a member knows it. */
const GOSSIP: ReadonlySet<string> = new Set(['forked-chain', 'withheld-chain'])

/** Conversations' chains in memory, each with the chains of its members. */
export class ChainLoader {
  readonly #chains: ChainStore
  readonly #users: UserChains
  readonly #goings: Goings
  readonly #me: OwnDevice
  readonly #loaded = new LruMap<string, LoadedChain>(64)

  constructor(chains: ChainStore, users: UserChains, goings: Goings, me: OwnDevice) {
    this.#chains = chains
    this.#users = users
    this.#goings = goings
    this.#me = me
  }

  /** Chains in memory in which this user is, or was. */
  idsWith(username: string): string[] {
    const chains = this.#loaded.entries()
    return chains.filter(([, { history }]) => history.usernames.includes(username)).map(([id]) => id)
  }

  /** A chain of which nothing is known. */
  empty(id: string): LoadedChain {
    return { history: new ConversationHistory(id), users: new KnownUsers() }
  }

  /** Keep this chain in memory, in the place of another. */
  replace(id: string, chain: LoadedChain): void {
    this.#loaded.set(id, chain)
  }

  /** Forget everything that is held in memory. */
  clear(): void {
    this.#loaded.clear()
  }

  /**
   * The chain as it is stored, with what is known of its members' chains now.
   *
   * @param known the stored record, if it was read just now
   * @throws {ChatError} `untrusted` if it names statements of a user's chain that the person has given up
   */
  async load(id: string, known?: StoredConversation): Promise<LoadedChain> {
    const stored = known ?? (await this.#chains.record(id))
    let chain = this.#loaded.get(id)
    if (chain === undefined || (chain.history.chain?.head ?? '-') !== (stored?.head ?? '-')) {
      chain = this.empty(id)
      const turns = new Turns()
      try {
        for (const { request } of await this.#chains.read(id)) {
          await this.#users.shown.keep(await this.#gather(chain, [request]))
          chain.history.append(request, chain.history.next(request, chain.users))
          await turns.next()
        }
      } catch (error) {
        throw toUntrusted(error, 'A conversation as it is known here')
      }
      this.#loaded.set(id, chain)
    }
    await this.#add(chain.users, chain.history.usernames)
    return chain
  }

  /**
   * Verify requests one by one. Users who are met with those that are valid are stored, and nobody else.
   *
   * @param taken gets those that are valid, also when a later one is not
   * @param options.isAccepted the person takes them although their devices may have gone before
   * @throws {ChatError} `untrusted`; nothing is taken if it is a conversation of others
   */
  async apply(
    id: string,
    chain: LoadedChain,
    requests: readonly ServedRequest[],
    taken: TakenRequest[],
    { isAccepted = false } = {}
  ): Promise<void> {
    const all = requests.map(({ request }) => request)
    const strangers = await this.#gather(chain, all)
    const { users } = chain
    const history = chain.history.chain === null ? new ConversationHistory(id) : chain.history
    const valid: TakenRequest[] = []
    let failure: { error: unknown } | undefined
    try {
      for (const served of requests) {
        const before = history.chain
        for (const { statement } of linksOf(served.request)) {
          if (statement.conversation !== id)
            throw untrusted('moved-statement', 'The server shows a statement of another conversation.')
          if (!isAccepted) await this.#goings.requireOpen(id, statement, users)
        }
        const after = await this.#applyOne({ history, users }, served, isAccepted)
        valid.push({ request: served.request, before, after })
      }
    } catch (error) {
      failure = { error: toUntrusted(error, 'A statement of a conversation') }
    }
    const members = new Set(this.#isIn(history) ? history.usernames : [])
    for (const { username } of strangers) if (!members.has(username)) users.remove(username)
    if (history.chain !== null && members.size === 0)
      throw untrusted('foreign-conversation', 'The server shows a conversation in which this user never was.')
    await this.#users.shown.keep(strangers.filter(({ username }) => members.has(username)))
    chain.history = history
    taken.push(...valid)
    if (failure !== undefined) throw failure.error
  }

  /** What a member knows of users' chains, and the server does not show, is kept with that member's signature. */
  async #applyOne(
    { history, users }: LoadedChain,
    served: ServedRequest,
    isAccepted: boolean
  ): Promise<ConversationChain> {
    try {
      return await applyRequest(history, served, users, (print) => this.#users.signingKey(print))
    } catch (error) {
      const { chain } = history
      if (!(error instanceof ChatError) || !GOSSIP.has(error.code) || chain === null) throw error
      // A user who is no member proves nothing: anybody could block the conversation.
      const username = findMember(linksOf(served.request).at(-1)!.statement.by, chain.members, users)
      const message = `${error.message} The key was made by ${username}.`
      const told = new ChatError('untrusted', error.code, message, { cause: error })
      if (!isAccepted && this.#isIn(history)) await this.#chains.keepProof(history.id, served, told)
      throw told
    }
  }

  #isIn({ usernames }: ConversationHistory): boolean {
    return usernames.includes(this.#me.username)
  }

  /**
   * Fetch the users’ chains up to the states that the requests name. A leave names none: a device that nobody is
   * known to have may be a new one of any member.
   *
   * @returns those who were never met. They are not stored: no signature of the requests was looked at
   */
  async #gather({ users, history }: LoadedChain, requests: readonly ChainRequest[]): Promise<Extension[]> {
    const states = requests.flatMap((request) => ('key' in request ? request.key.statement.state : []))
    const named = new Set(states.map(({ username }) => username))
    await this.#add(users, named)
    const behind = states.filter((state) => !users.reaches(state.username, state))
    const missing = new Set(behind.map(({ username }) => username))
    for (const request of requests)
      if ('leave' in request && users.owners(request.leave.statement.by).length === 0)
        for (const username of [...(history.chain?.members.keys() ?? []), ...named]) missing.add(username)
    const known = [...missing].filter((username) => users.get(username) !== undefined)
    if (known.length > 0) await this.#users.sync(known)
    await this.#add(users, known)
    const unknown = [...missing].filter((username) => users.get(username) === undefined)
    const strangers = await this.#users.shown.ofAll(unknown)
    for (const { history: shown } of strangers) users.add(shown)
    return strangers
  }

  /** What is known of these users. */
  async #add(users: KnownUsers, usernames: Iterable<string>): Promise<void> {
    for (const username of usernames) {
      const user = await this.#users.peek(username)
      if (user !== undefined) users.add(user)
    }
  }
}
