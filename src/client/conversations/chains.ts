import type { ConversationChain } from '../../protocol/conversation-chain.js'
import { Chain } from '../../protocol/conversations.js'
import type { SignedStatement } from '../../protocol/schema.js'
import { statementHash } from '../../crypto/statements.js'
import { untrusted, type ChatError } from '../errors.js'
import { bumpChainRevision } from '../identity/chain-revision.js'
import type { UserChains } from '../identity/user-chains.js'
import { LruMap } from '../stores/lru-map.js'
import type { Store, StoreReader, Value } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import { pagesOf } from '../transport/pages.js'
import { recordName, rootsAt, toChain, toStored, type Link, type StoredConversation } from './record.js'
import { MembershipVerifier, type VerifiedStatement } from './verify.js'

export interface SyncedConversation {
  conversation: StoredConversation
  /** The statements that are new since the last time, in order. */
  added: Link[]
}

/** The chains of conversations: verified statement by statement, stored, and only ever extended. */
export class ConversationChains {
  readonly #api: Api
  readonly #store: Store
  readonly #verifier: MembershipVerifier
  readonly #roots = new LruMap<string, ReadonlyMap<string, string>>(64)
  readonly #pending = new Map<string, Promise<SyncedConversation>>()
  /** Titles of messages that were shown but are not committed yet. */
  readonly #titles = new LruMap<string, { title: string; position: number }>(1024)

  constructor(api: Api, store: Store, users: UserChains) {
    this.#api = api
    this.#store = store
    this.#verifier = new MembershipVerifier(api, users)
  }

  async list(): Promise<StoredConversation[]> {
    const entries = await this.#store.list<StoredConversation>(recordName(''))
    return entries.map(([, stored]) => this.#withTitle(stored))
  }

  async peek(id: string): Promise<StoredConversation | undefined> {
    const stored = await this.#store.get<StoredConversation>(recordName(id))
    return stored && this.#withTitle(stored)
  }

  /** A conversation as known here; asks the server only about those never met. */
  async get(id: string): Promise<StoredConversation> {
    return (await this.peek(id)) ?? (await this.sync(id)).conversation
  }

  /**
   * Fetch and verify the new statements of a conversation's chain.
   *
   * @param head hash of the newest statement, if the server has named it: if it is the newest one here too,
   *   nothing is fetched
   * @throws {ChatError} `conversation-not-found` (`refused`); `untrusted` if the chain is not valid
   */
  sync(id: string, head?: string): Promise<SyncedConversation> {
    return this.#exclusively(id, async () => {
      const before = (await this.peek(id)) ?? null
      if (before !== null && before.head === head) return { conversation: before, added: [] }
      return this.#extend(id, before, this.#fetch(id, before))
    })
  }

  /** Add a statement that came with an event, after fetching those before it that are missing. */
  add(id: string, signed: SignedStatement, sequence: number): Promise<SyncedConversation> {
    return this.#exclusively(id, async () => {
      const before = (await this.peek(id)) ?? null
      const known = before?.sequence ?? 0
      const isNext = sequence === known + 1
      const synced =
        before !== null && sequence <= known
          ? { conversation: before, added: [] }
          : await this.#extend(id, before, isNext ? [signed] : this.#fetch(id, before))
      if ((await this.link(id, sequence))?.hash !== (await statementHash(signed.text))) throw forked()
      return synced
    })
  }

  /**
   * The root of each member when `head` was the newest statement; null if the chain has no such statement.
   */
  async rootsAt(id: string, head: string): Promise<ReadonlyMap<string, string> | null> {
    const key = `${id} ${head}`
    const cached = this.#roots.get(key)
    if (cached !== undefined) return cached
    const links = (await this.#store.list(linkName(id))).map(([, link]) => link as unknown as Link)
    const roots = rootsAt(links, head)
    if (roots !== null) this.#roots.set(key, roots)
    return roots
  }

  link(id: string, sequence: number): Promise<Link | undefined> {
    return linkIn(this.#store, id, sequence)
  }

  /**
   * Remember a title in memory. `recordTitle` makes it durable. @param position of the message that gives it
   */
  noteTitle(id: string, title: string, position: number): void {
    if (position > (this.#titles.get(id)?.position ?? 0)) this.#titles.set(id, { title, position })
  }

  /** Forget everything that is held in memory. */
  clear(): void {
    this.#roots.clear()
    this.#titles.clear()
  }

  #withTitle(stored: StoredConversation): StoredConversation {
    const noted = this.#titles.get(stored.id)
    if (noted === undefined || noted.position <= stored.titledAt) return stored
    return { ...stored, title: noted.title, titledAt: noted.position }
  }

  #exclusively(id: string, work: () => Promise<SyncedConversation>): Promise<SyncedConversation> {
    const next = (this.#pending.get(id) ?? Promise.resolve()).then(work, work)
    this.#pending.set(id, next)
    const done = (): void => {
      if (this.#pending.get(id) === next) this.#pending.delete(id)
    }
    next.then(done, done)
    return next
  }

  /** The statements after `before`. The server's newest one has to be among them, or be known. */
  async *#fetch(
    id: string,
    before: StoredConversation | null
  ): AsyncGenerator<SignedStatement, void, undefined> {
    const hashes = new Set([before?.head])
    const path = `/v1/conversations/${id}/chain?after=${before?.sequence ?? 0}`
    for await (const { head, items, next } of pagesOf(this.#api, path, Chain)) {
      for (const signed of items) {
        hashes.add(await statementHash(signed.text))
        yield signed
      }
      if (next === null && !hashes.has(head)) throw forked()
    }
  }

  async #extend(
    id: string,
    before: StoredConversation | null,
    statements: Iterable<SignedStatement> | AsyncIterable<SignedStatement>
  ): Promise<SyncedConversation> {
    const verified: VerifiedStatement[] = []
    let chain: ConversationChain | null = before === null ? null : toChain(before)
    for await (const signed of statements) {
      const next = await this.#verifier.verify(id, chain, signed)
      verified.push(next)
      chain = next.chain
    }
    if (verified.length === 0) {
      if (before === null) throw untrusted('forked-chain', 'The server shows a conversation without a chain.')
      return { conversation: before, added: [] }
    }
    await this.#verifier.requireVouched(id, verified)
    const added = verified.map(({ link }) => link)
    return { conversation: this.#withTitle(await this.#save(id, chain!, added)), added }
  }

  async #save(id: string, chain: ConversationChain, added: readonly Link[]): Promise<StoredConversation> {
    return this.#store.update(async (tx) => {
      const stored = await tx.get<StoredConversation>(recordName(id))
      // Another process may have stored some of these statements meanwhile, or more: they have to be the same
      // ones.
      for (const { hash, statement } of added) {
        const known = await linkIn(tx, id, statement.sequence)
        if (known !== undefined && known.hash !== hash) throw forked()
      }
      if (stored !== undefined && stored.sequence >= chain.sequence) return stored
      await bumpChainRevision(tx)
      const conversation = toStored(id, chain, stored ?? null)
      tx.set(recordName(id), conversation)
      for (const link of added)
        tx.set(linkName(id, link.statement.sequence), link as unknown as Record<string, Value>)
      return conversation
    })
  }
}

async function linkIn(store: StoreReader, id: string, sequence: number): Promise<Link | undefined> {
  return (await store.get(linkName(id, sequence))) as unknown as Link | undefined
}

/** Numbers of nine digits at most: sorted by name is sorted by sequence. */
function linkName(id: string, sequence?: number): string {
  return `chain/${id}/${sequence === undefined ? '' : String(sequence).padStart(9, '0')}`
}

function forked(): ChatError {
  return untrusted('forked-chain', 'The conversation’s chain is not the one that was seen before.')
}
