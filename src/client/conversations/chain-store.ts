import { type ConversationHistory } from '../../protocol/conversation-history.js'
import { ChatError, replacedChain, type Heads } from '../errors.js'
import { forgetDoubt } from '../identity/chain-doubts.js'
import { bumpChainRevision } from '../identity/chain-revision.js'
import { dropWelcomes, forgetHeads, hasGone } from '../identity/heard-heads.js'
import { LruMap } from '../stores/lru-map.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import { type KnownUsers } from './chain-users.js'
import { beginSight } from './key-sight.js'
import { dropShown, forgetProofs, keepProof, readProofs, type Proof } from './proofs.js'
import {
  newerTitle,
  recordName,
  toStored,
  withTitle,
  type GivenTitle,
  type StoredConversation
} from './record.js'
import { linksOf, readRequests, type ServedRequest } from './verify.js'

/** A statement of a verified chain. It was verified before it was stored, and is not verified again. */
type StoredLink = { hash: string; text: string }

/** A chain in memory, with the chains of its members. */
export interface LoadedChain {
  history: ConversationHistory
  users: KnownUsers
}

/** Reads and writes the verified statements of conversations' chains. */
export class ChainStore {
  readonly #store: Store
  readonly #now: () => number
  /** Titles of messages that were shown but are not committed yet. */
  readonly #titles = new LruMap<string, GivenTitle>(1024)

  constructor(store: Store, now: () => number) {
    this.#store = store
    this.#now = now
  }

  async list(): Promise<StoredConversation[]> {
    const entries = await this.#store.list<StoredConversation>(recordName(''))
    return entries.map(([, stored]) => this.#withTitle(stored))
  }

  async record(id: string): Promise<StoredConversation | undefined> {
    const stored = await this.#store.get<StoredConversation>(recordName(id))
    return stored && this.#withTitle(stored)
  }

  /** Remember a title in memory. `recordTitle` makes it durable. */
  noteTitle(id: string, given: GivenTitle): void {
    this.#titles.set(id, newerTitle(this.#titles.get(id) ?? null, given))
  }

  /** Forget everything that is held in memory. */
  clear(): void {
    this.#titles.clear()
  }

  /** The hash of a stored statement; undefined beyond the end of the chain. */
  async hashAt(id: string, sequence: number): Promise<string | undefined> {
    return (await this.#store.get<StoredLink>(linkName(id, sequence)))?.hash
  }

  /** The requests of a stored chain, in order. */
  async read(id: string): Promise<ServedRequest[]> {
    const links = (await this.#store.list<StoredLink>(linkName(id))).map(([, link]) => link)
    return readRequests(links.map(({ text }) => ({ text, signatures: {} })))
  }

  /**
   * Store requests that extend the chain. Another process may have stored some of them meanwhile, or more:
   * they have to be the same ones.
   *
   * @param together writes something else in the same transaction
   * @throws {ChatError} `forked-chain` (`untrusted`); `busy-chain` (`unreachable`) if they follow a chain that the
   *   person has given up meanwhile
   */
  async add(
    chain: LoadedChain,
    requests: readonly ServedRequest[],
    together: (tx: StoreTransaction) => Promise<void>
  ): Promise<void> {
    await this.#store.update(async (tx) => {
      await this.#add(tx, chain, requests)
      await together(tx)
    })
  }

  async #add(
    tx: StoreTransaction,
    { history }: LoadedChain,
    requests: readonly ServedRequest[]
  ): Promise<StoredConversation> {
    const chain = history.chain!
    const { id } = chain
    const { sequence: first } = linksOf(requests[0]!.request)[0]!.statement
    const before = await tx.get<StoredLink>(linkName(id, first - 1))
    if (before?.hash !== history.hashAt(first - 1)) throw replacedChain(id)
    for (const { request, items } of requests)
      for (const [at, { statement, hash }] of linksOf(request).entries()) {
        const name = linkName(id, statement.sequence)
        const known = await tx.get<StoredLink>(name)
        if (known !== undefined && known.hash !== hash) throw forkedChain(known.hash, hash)
        if (known === undefined) tx.set(name, { hash, text: items[at]!.text })
      }
    await dropShown(tx, id, (hash) => history.has(hash))
    const stored = await tx.get<StoredConversation>(recordName(id))
    if (stored !== undefined && stored.sequence >= chain.sequence) return stored
    await bumpChainRevision(tx)
    await dropWelcomes(tx, id, hasGone(history, chain))
    await beginSight(tx, id, chain.key.hash, this.#now())
    const next = toStored(chain, stored)
    tx.set(recordName(id), next)
    return next
  }

  /** Keep a request that was refused: it is signed, and says what the server does not show. */
  keepProof(id: string, request: ServedRequest, refusal: ChatError): Promise<void> {
    return this.#store.update((tx) => keepProof(tx, id, request, refusal))
  }

  /** What members know, and the server does not show. */
  proofs(id: string): Promise<Proof[]> {
    return readProofs(this.#store, id)
  }

  /**
   * The person takes this whole chain as it is, in the place of the known one if that is another. The title and what
   * was read stay.
   */
  accept(
    chain: LoadedChain,
    requests: readonly ServedRequest[],
    together: (tx: StoreTransaction) => Promise<void>
  ): Promise<void> {
    const { id, sequence } = chain.history.chain!
    return this.#store.update(async (tx) => {
      const known = await tx.get<StoredConversation>(recordName(id))
      if (known !== undefined && chain.history.hashAt(known.sequence) !== known.head) {
        for (const [name] of await tx.list(linkName(id))) tx.delete(name)
        tx.set(recordName(id), { ...known, sequence: 0, head: '-' })
      }
      const stored = await this.#add(tx, chain, requests)
      tx.set(recordName(id), { ...stored, acceptedTo: sequence })
      await forgetProofs(tx, id)
      await forgetHeads(tx, id)
      forgetDoubt(tx, id)
      await together(tx)
    })
  }

  #withTitle(stored: StoredConversation): StoredConversation {
    const noted = this.#titles.get(stored.id)
    return noted === undefined ? stored : withTitle(stored, noted)
  }
}

/** Numbers of nine digits at most: sorted by name is sorted by sequence. */
function linkName(id: string, sequence?: number): string {
  return `chain/${id}/${sequence === undefined ? '' : String(sequence).padStart(9, '0')}`
}

/** @param heads of the two chains, if they are known */
export function forkedChain(known: string, shown: string, heads?: Heads): ChatError {
  return new ChatError(
    'untrusted',
    'forked-chain',
    `The conversation’s chain is not the one that was seen before: it was ${known}, and is now ${shown}.`,
    heads === undefined ? {} : { heads }
  )
}
