import { ChatError, untrusted, withDetails } from '../errors.js'
import { countsIn, type HeardHeads } from '../identity/heard-heads.js'
import type { ChainFetcher } from './chain-fetcher.js'
import type { ChainStore, LoadedChain } from './chain-store.js'
import type { ChainLoader } from './chain-loader.js'
import type { Goings } from './goings.js'
import type { TakenRequest } from './record.js'
import { linksOf, readServed, type ServedRequest } from './verify.js'

/** Extends chains by what the server shows, and notes where they end for those who have gone. */
export class RequestTaker {
  readonly #chains: ChainStore
  readonly #fetcher: ChainFetcher
  readonly #loader: ChainLoader
  readonly #goings: Goings
  readonly #heads: HeardHeads

  constructor(
    chains: ChainStore,
    fetcher: ChainFetcher,
    loader: ChainLoader,
    goings: Goings,
    heads: HeardHeads
  ) {
    this.#chains = chains
    this.#fetcher = fetcher
    this.#loader = loader
    this.#goings = goings
    this.#heads = heads
  }

  /** Whether it is known where the conversation ended for all who are known to have gone from it. */
  async isSettled(id: string, chain: LoadedChain): Promise<boolean> {
    return chain.history.chain === null || (await this.#goings.settleSeen(id, chain)).length === 0
  }

  /**
   * Take what the server shows after the end of the chain: there it ends for those who have gone.
   *
   * @param before requests that were taken already
   */
  async fetch(id: string, chain: LoadedChain, before: TakenRequest[] = []): Promise<TakenRequest[]> {
    const known = chain.history.chain?.head ?? '-'
    const { items, head, lastPosition } = await this.#fetcher.fetch(id, chain.history)
    try {
      const added = [...before, ...(await this.#extend(id, chain, await readServed(items)))]
      await this.#goings.settle(id, chain, added, lastPosition)
      return added
    } catch (error) {
      throw withDetails(error, { heads: { known, served: head } })
    }
  }

  /** Take the request that an event has brought. */
  async takeNext(
    id: string,
    chain: LoadedChain,
    shown: readonly ServedRequest[],
    position: number
  ): Promise<TakenRequest[]> {
    const added = await this.#extend(id, chain, shown)
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
    const requests = await readServed((await this.#fetcher.fetch(id, chain.history)).items)
    await this.#loader.apply(id, chain, requests, { isAccepted: true })
    const { head: shown, sequence } = chain.history.chain ?? { head: 'nothing', sequence: 0 }
    if (shown !== head)
      throw new ChatError('usage', 'other-head', `The server shows the chain up to ${shown}, not ${head}.`)
    // The known one may not be readable any more: it may name statements of users' chains that were given up.
    const known = await this.#chains.record(id)
    if (known !== undefined && chain.history.hashAt(known.sequence) !== known.head)
      await this.#chains.drop(id)
    await this.#chains.add(chain, requests)
    await this.#chains.accept(id, sequence)
    await this.#goings.accept(id, sequence)
    await this.#heads.accepted({ conversationId: id })
    this.#loader.replace(id, chain)
    return chain
  }

  /** Apply requests, and store those that are valid. */
  async #extend(id: string, chain: LoadedChain, requests: readonly ServedRequest[]): Promise<TakenRequest[]> {
    if (requests.length === 0) {
      if (chain.history.chain === null)
        throw untrusted('forked-chain', 'The server shows a conversation without a chain.')
      return []
    }
    const sequence = chain.history.chain?.sequence ?? 0
    try {
      return await this.#loader.apply(id, chain, requests)
    } finally {
      // Valid requests are kept, although a later one is not.
      const end = chain.history.chain?.sequence ?? 0
      const valid = requests.filter(({ request }) => linksOf(request).at(-1)!.statement.sequence <= end)
      if (end > sequence) {
        await this.#chains.add(chain, valid)
        const { history } = chain
        await this.#heads.compare({ conversationId: id }, countsIn(history), (at) => history.hashAt(at))
      }
    }
  }
}
