import type { SignedStatement } from '../../protocol/schema.js'
import { ChatError, untrusted, withDetails } from '../errors.js'
import type { Alarms } from '../identity/alarms.js'
import type { ChainDoubts } from '../identity/chain-doubts.js'
import { forkedChain, type ChainStore, type LoadedChain } from './chain-store.js'
import type { ChainLoader } from './chain-loader.js'
import type { KnownUsers } from './chain-users.js'
import type { GivenTitle, StoredConversation, TakenRequest, VerifiedConversation } from './record.js'
import type { RequestTaker } from './request-taker.js'
import { shownRequest, type ShownRequest } from './shown-request.js'

export interface SyncedConversation {
  conversation: VerifiedConversation
  /** In order. */
  added: TakenRequest[]
}

/** The chains of conversations: verified request by request, stored, and only ever extended. */
export class ConversationChains {
  readonly #chains: ChainStore
  readonly #loader: ChainLoader
  readonly #taker: RequestTaker
  readonly #alarms: Alarms
  readonly #doubts: ChainDoubts
  readonly #pending = new Map<string, Promise<unknown>>()

  constructor(
    chains: ChainStore,
    loader: ChainLoader,
    taker: RequestTaker,
    alarms: Alarms,
    doubts: ChainDoubts
  ) {
    this.#chains = chains
    this.#loader = loader
    this.#taker = taker
    this.#alarms = alarms
    this.#doubts = doubts
  }

  list(): Promise<StoredConversation[]> {
    return this.#chains.list()
  }

  /** Whether the conversation is known here. Waits for nobody. */
  async isKnown(id: string): Promise<boolean> {
    return ((await this.#chains.record(id))?.sequence ?? 0) > 0
  }

  /** A conversation as known here. */
  peek(id: string): Promise<VerifiedConversation | undefined> {
    return this.#exclusively(id, async () => {
      const stored = await this.#chains.record(id)
      if (stored === undefined || stored.sequence === 0) return undefined
      return verified(stored, await this.#loader.load(id, stored))
    })
  }

  /** The same, if it can be read: it may name statements of a user's chain that the person has given up. */
  peekReadable(id: string): Promise<VerifiedConversation | undefined> {
    return this.peek(id).catch((error: unknown) => {
      if (!(error instanceof ChatError) || error.kind !== 'untrusted') throw error
      return undefined
    })
  }

  /** A conversation as known here; asks the server only about those never met. */
  async get(id: string): Promise<VerifiedConversation> {
    return (await this.peek(id)) ?? (await this.sync(id)).conversation
  }

  /** The chains of the members, as far as they are known. */
  async users(id: string): Promise<KnownUsers> {
    return this.#exclusively(id, async () => (await this.#loader.load(id)).users)
  }

  /**
   * Fetch and verify the new statements of a conversation's chain.
   *
   * @param head hash of the newest statement, if the server has named it: if it is the newest one here too,
   *   nothing is fetched
   * @throws {ChatError} `conversation-not-found` (`refused`); `untrusted` if the chain is not valid
   */
  sync(id: string, head?: string): Promise<SyncedConversation> {
    return this.#looking(id, async () => {
      // A doubt that comes while this client looks is left for the next look.
      const doubt = await this.#doubts.of(id)
      const chain = await this.#loader.load(id)
      const isSettled = await this.#taker.isSettled(id, chain)
      const isKnown = head !== undefined && chain.history.chain?.head === head && !(await this.isInDoubt(id))
      if (isSettled && isKnown) return this.#synced(id, chain, [])
      const added = await this.#taker.fetch(id, chain)
      if (doubt !== undefined && (await this.#doubts.settle(id, doubt))) await this.#tellWhole(id)
      return this.#synced(id, chain, added)
    })
  }

  /** Find out where the conversation ended for devices that have gone, unless that is known already. */
  async findBoundaries(id: string): Promise<void> {
    await this.#looking(id, async () => {
      const chain = await this.#loader.load(id)
      if (!(await this.#taker.isSettled(id, chain))) await this.#taker.fetch(id, chain)
    })
  }

  /**
   * A device of the user has gone. Look at the conversations in use at once: what comes before the look is not
   * behind the boundary.
   */
  lookAfter(username: string): void {
    for (const id of this.#loader.idsWith(username)) this.findBoundaries(id).catch(() => undefined)
  }

  /**
   * Take a request that came with an event, after fetching those before it that are missing.
   *
   * @param position of the event
   */
  take(
    id: string,
    items: readonly SignedStatement[],
    position: number
  ): Promise<SyncedConversation & { shown: ShownRequest[] }> {
    return this.#looking(id, async () => {
      const chain = await this.#loader.load(id)
      const { added, shown } = await this.#taker.take(id, chain, items, position)
      const synced = await this.#synced(id, chain, added)
      return { ...synced, shown: shown.map((request) => shownRequest(chain.history, request)) }
    })
  }

  /**
   * Take the chain that the server shows, in place of the known one if it is another, with all the roots that
   * it names.
   *
   * @param head the newest statement, as the person was told it
   * @throws {ChatError} `other-head` (`usage`) if the chain ends elsewhere
   */
  accept(id: string, head: string): Promise<VerifiedConversation> {
    return this.#exclusively(id, async () => {
      const chain = await this.#taker.accept(id, head)
      await this.#tellWhole(id)
      return verified((await this.#chains.record(id))!, chain)
    })
  }

  /** The hash of a statement of the chain; undefined beyond its end. */
  hashAt(id: string, sequence: number): Promise<string | undefined> {
    return this.#chains.hashAt(id, sequence)
  }

  /** Show a title before the message that gives it is written down. */
  noteTitle(id: string, given: GivenTitle): void {
    this.#chains.noteTitle(id, given)
  }

  /** `server-behind` or `forked-chain`, if no look has shown the whole chain since; it names the two ends. */
  trouble(id: string): Promise<ChatError | undefined> {
    return this.#doubts.trouble(id)
  }

  /**
   * The server has to show what members know.
   *
   * @throws {ChatError} `withheld-chain` or `forked-chain` (`untrusted`)
   */
  async requireShown(id: string): Promise<void> {
    const [proof] = await this.#chains.proofs(id)
    if (proof === undefined) return
    const { hash, sequence, code, message } = proof
    const there = await this.#chains.hashAt(id, sequence)
    const about = { conversationId: id }
    if (there === undefined || there === hash) throw withDetails(untrusted(code, message), { about })
    // The chain goes on without the request that a member has signed for this place.
    const { code: forked, message: fork } = forkedChain(hash, there)
    const heads = { known: hash, served: (await this.#chains.record(id))!.head }
    throw withDetails(untrusted(forked, `${fork} ${message}`), { about, heads })
  }

  /** Whether the last look at the chain has shown too little, or something else than members know. */
  async isInDoubt(id: string): Promise<boolean> {
    return (await this.#doubts.of(id)) !== undefined || (await this.#chains.proofs(id)).length > 0
  }

  /** Forget everything that is held in memory. */
  clear(): void {
    this.#loader.clear()
    this.#chains.clear()
  }

  #exclusively<T>(id: string, work: () => Promise<T>): Promise<T> {
    const before = this.#pending.get(id) ?? Promise.resolve()
    const next = before.then(work, work).catch((error: unknown) => {
      throw withDetails(error, { about: { conversationId: id } })
    })
    this.#pending.set(id, next)
    const done = (): void => {
      if (this.#pending.get(id) === next) this.#pending.delete(id)
    }
    next.then(done, done)
    return next
  }

  /** Another statement in the place of a known one puts the chain in doubt. */
  #looking<T>(id: string, look: () => Promise<T>): Promise<T> {
    return this.#exclusively(id, async () => {
      try {
        return await look()
      } catch (error) {
        const isFork = error instanceof ChatError && error.code === 'forked-chain'
        const isKnown = isFork && (await this.#chains.record(id)) !== undefined
        if (isKnown)
          await this.#doubts.note(id, withDetails(error, { about: { conversationId: id } }) as ChatError)
        throw error
      }
    })
  }

  /** The server shows the whole chain, or the person has taken the one that it shows. */
  async #tellWhole(id: string): Promise<void> {
    await this.#alarms.resolve({ code: 'server-behind', about: { conversationId: id } })
  }

  async #synced(id: string, chain: LoadedChain, added: TakenRequest[]): Promise<SyncedConversation> {
    return { conversation: verified((await this.#chains.record(id))!, chain), added }
  }
}

function verified(stored: StoredConversation, { history }: LoadedChain): VerifiedConversation {
  return { id: stored.id, stored, history, chain: history.chain! }
}
