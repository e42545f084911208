import type { ChainRequest } from '../../protocol/conversation-chain.js'
import type { SignedStatement } from '../../protocol/schema.js'
import { ChatError, untrusted, withDetails } from '../errors.js'
import { countsIn, type HeardHeads } from '../identity/heard-heads.js'
import type { Boundaries } from './boundaries.js'
import type { ChainFetcher } from './chain-fetcher.js'
import { forkedChain, type ChainStore, type LoadedChain } from './chain-store.js'
import type { ChainLoader } from './chain-loader.js'
import type { Goings } from './goings.js'
import type { TakenRequest } from './record.js'
import type { StoreTransaction } from '../stores/store.js'
import { linksOf, readServed, type ServedRequest } from './verify.js'

/** Extends chains by what the server shows, and notes where they end for those who have gone. */
export class RequestTaker {
  readonly #chains: ChainStore
  readonly #fetcher: ChainFetcher
  readonly #loader: ChainLoader
  readonly #goings: Goings
  readonly #boundaries: Boundaries
  readonly #heads: HeardHeads

  constructor(
    chains: ChainStore,
    fetcher: ChainFetcher,
    loader: ChainLoader,
    goings: Goings,
    boundaries: Boundaries,
    heads: HeardHeads
  ) {
    this.#chains = chains
    this.#fetcher = fetcher
    this.#loader = loader
    this.#goings = goings
    this.#boundaries = boundaries
    this.#heads = heads
  }

  /** Whether it is known where the conversation ended for all who are known to have gone from it. */
  async isSettled(id: string, chain: LoadedChain): Promise<boolean> {
    return chain.history.chain === null || (await this.#goings.settleSeen(id, chain))
  }

  /**
   * Take what the server shows after the end of the chain: there it ends for those who have gone.
   *
   * @param before requests that were taken already
   */
  async fetch(id: string, chain: LoadedChain, before: TakenRequest[] = []): Promise<TakenRequest[]> {
    const known = chain.history.chain?.head ?? '-'
    const { items, head, lastPosition } = await this.#fetcher.fetch(id, chain.history)
    const added = [...before]
    try {
      await this.#extend(id, chain, await readServed(items), added)
    } catch (error) {
      throw withDetails(error, { heads: { known, served: head } })
    } finally {
      // Goings count, although a later request is not valid.
      if (added.length > 0 || chain.history.chain !== null)
        await this.#goings.settle(id, chain, added, lastPosition)
    }
    return added
  }

  /**
   * Take a request that came with an event, after fetching those before it that are missing.
   *
   * @param position of the event
   */
  async take(
    id: string,
    chain: LoadedChain,
    items: readonly SignedStatement[],
    position: number
  ): Promise<{ added: TakenRequest[]; shown: ChainRequest[] }> {
    const served = await readServed(items)
    const shown = served.map(({ request }) => request)
    const links = shown.flatMap(linksOf)
    const { sequence: first } = links[0]!.statement
    const { sequence: last } = links.at(-1)!.statement
    for (const request of shown) await this.#goings.requireBefore(request, position)
    // The boundary of those whose going the stream has not brought has to be known before anything is taken.
    if (!(await this.isSettled(id, chain))) await this.fetch(id, chain)
    const known = chain.history.chain?.sequence ?? 0
    let added: TakenRequest[] = []
    if (known === first - 1) added = await this.#takeNext(id, chain, served, position)
    else if (known < last) added = await this.fetch(id, chain)
    for (const { statement, hash } of links) {
      const there = chain.history.hashAt(statement.sequence)
      if (there !== hash) throw forkedChain(there ?? 'nothing', hash, { known: there ?? '-', served: hash })
    }
    await this.#boundaries.noteRequest(chain.history, first, last, position)
    return { added, shown }
  }

  async #takeNext(
    id: string,
    chain: LoadedChain,
    shown: readonly ServedRequest[],
    position: number
  ): Promise<TakenRequest[]> {
    const added: TakenRequest[] = []
    await this.#extend(id, chain, shown, added)
    if (!(await this.#goings.isAfterAll(id, chain))) return this.fetch(id, chain, added)
    await this.#goings.settle(id, chain, added, position)
    return added
  }

  /**
   * Take the chain that the server shows, in place of the known one if it is another, with all the roots that
   * it names.
   *
   * @throws {ChatError} `other-head` (`usage`) if it does not end with `head`
   */
  async accept(id: string, head: string): Promise<LoadedChain> {
    const chain = this.#loader.empty(id)
    const { items, lastPosition } = await this.#fetcher.fetch(id, chain.history)
    const requests = await readServed(items)
    const added: TakenRequest[] = []
    await this.#loader.apply(id, chain, requests, added, { isAccepted: true })
    const end = chain.history.chain
    if (end?.head !== head) {
      const shown = end?.head ?? 'nothing'
      throw new ChatError('usage', 'other-head', `The server shows the chain up to ${shown}, not ${head}.`)
    }
    // The known one may not be readable any more: it may name statements of users' chains that were given up.
    await this.#chains.accept(chain, requests, (tx) => this.#boundaries.noteDepartures(tx, id, added))
    await this.#boundaries.open(chain.history)
    await this.#goings.settle(id, chain, added, lastPosition)
    await this.#heads.accepted({ conversationId: id })
    this.#loader.replace(id, chain)
    return chain
  }

  /**
   * Apply requests, and store those that are valid.
   *
   * @param taken gets those that are valid, also when a later one is not
   */
  async #extend(
    id: string,
    chain: LoadedChain,
    requests: readonly ServedRequest[],
    taken: TakenRequest[]
  ): Promise<void> {
    if (requests.length === 0) {
      if (chain.history.chain === null)
        throw untrusted('forked-chain', 'The server shows a conversation without a chain.')
      return
    }
    const sequence = chain.history.chain?.sequence ?? 0
    try {
      await this.#loader.apply(id, chain, requests, taken)
    } finally {
      // Valid requests are kept, although a later one is not.
      const end = chain.history.chain?.sequence ?? 0
      const valid = requests.filter(({ request }) => linksOf(request).at(-1)!.statement.sequence <= end)
      if (end > sequence) {
        const note = (tx: StoreTransaction) => this.#boundaries.noteDepartures(tx, id, taken)
        await this.#chains.add(chain, valid, note).catch((error: unknown) => {
          // Nothing is noted of a chain that is not stored.
          chain.history = this.#loader.empty(id).history
          taken.length = 0
          throw error
        })
        const { history } = chain
        const counts = countsIn(history.chain!)
        await this.#heads.compare({ conversationId: id }, counts, (at) => history.hashAt(at))
      }
    }
  }
}
