import { Chain } from '../../protocol/conversations.js'
import type { ConversationChain } from '../../protocol/conversation-chain.js'
import type { SignedStatement } from '../../protocol/schema.js'
import { statementHash } from '../../crypto/statements.js'
import type { Core } from '../core.js'
import { type ChatError, untrusted } from '../errors.js'
import { bumpChainRevision } from '../identity/chain-revision.js'
import { pagesOf } from '../transport/pages.js'
import { LruMap } from '../stores/lru-map.js'
import { MembershipVerifier, type VerifiedStatement } from './verify.js'
import { recordName, rootsAt, toChain, toRoom, type Link, type StoredConversation } from './record.js'
import type { StoreReader, Value } from '../stores/store.js'

export interface SyncedConversation {
  room: StoredConversation
  /** What is new since the last time, in order. */
  added: Link[]
}

/** Conversations' chains: who belongs. Verified statement by statement, kept, and only ever extended. */
export class ConversationChains {
  readonly #core: Core
  readonly #judge: MembershipVerifier
  readonly #roots = new LruMap<string, ReadonlyMap<string, string>>(64)
  readonly #underWay = new Map<string, Promise<SyncedConversation>>()

  constructor(core: Core) {
    this.#core = core
    this.#judge = new MembershipVerifier(core)
  }

  async list(): Promise<StoredConversation[]> {
    return (await this.#core.store.list<StoredConversation>('room/')).map(([, room]) => room)
  }

  peek(id: string): Promise<StoredConversation | undefined> {
    return this.#core.store.get<StoredConversation>(recordName(id))
  }

  /** What is known of a conversation; asks the server only about those never met. */
  async get(id: string): Promise<StoredConversation> {
    return (await this.peek(id)) ?? (await this.sync(id)).room
  }

  /** Whether the user of this client is in it. */
  isIn(room: StoredConversation): boolean {
    return room.members.some(({ username }) => username === this.#core.identity.username)
  }

  /**
   * Fetch and verify what is new in a conversation's chain.
   *
   * @throws {ChatError} `conversation-not-found` (`refused`); `untrusted` if the chain does not stand
   */
  sync(id: string): Promise<SyncedConversation> {
    return this.#alone(id, async () => {
      const before = (await this.peek(id)) ?? null
      return this.#extend(id, before, this.#fetch(id, before))
    })
  }

  /** Take a statement that an event has brought; what stands between is fetched. */
  take(id: string, signed: SignedStatement, sequence: number): Promise<SyncedConversation> {
    return this.#alone(id, async () => {
      const before = (await this.peek(id)) ?? null
      const known = before?.sequence ?? 0
      const isNext = sequence === known + 1
      const synced =
        before !== null && sequence <= known
          ? { room: before, added: [] }
          : await this.#extend(id, before, isNext ? [signed] : this.#fetch(id, before))
      if ((await this.link(id, sequence))?.hash !== (await statementHash(signed.text))) throw forked()
      return synced
    })
  }

  /** The root of each member when `head` was the newest statement; null if the chain has no such statement. */
  async rootsAt(id: string, head: string): Promise<ReadonlyMap<string, string> | null> {
    const key = `${id} ${head}`
    const known = this.#roots.get(key)
    if (known !== undefined) return known
    const links = (await this.#core.store.list(linkName(id))).map(([, link]) => link as unknown as Link)
    const roots = rootsAt(links, head)
    if (roots !== null) this.#roots.set(key, roots)
    return roots
  }

  link(id: string, sequence: number): Promise<Link | undefined> {
    return this.#linkIn(this.#core.store, id, sequence)
  }

  async #linkIn(store: StoreReader, id: string, sequence: number): Promise<Link | undefined> {
    return (await store.get(linkName(id, sequence))) as unknown as Link | undefined
  }

  /** Whatever title was said up to this position is known. */
  async titleIsReadTo(id: string, position: number): Promise<void> {
    await this.#core.store.update(async (tx) => {
      const room = await tx.get<StoredConversation>(recordName(id))
      if (room !== undefined && (room.titleReadTo ?? 0) < position)
        tx.set(recordName(id), { ...room, titleReadTo: position })
    })
  }

  #alone(id: string, work: () => Promise<SyncedConversation>): Promise<SyncedConversation> {
    const next = (this.#underWay.get(id) ?? Promise.resolve()).then(work, work)
    this.#underWay.set(id, next)
    const done = (): void => {
      if (this.#underWay.get(id) === next) this.#underWay.delete(id)
    }
    next.then(done, done)
    return next
  }

  /** What the server has behind what is known; its newest statement has to be there in the end. */
  async *#fetch(
    id: string,
    before: StoredConversation | null
  ): AsyncGenerator<SignedStatement, void, undefined> {
    const hashes = new Set([before?.head])
    const path = `/v1/conversations/${id}/chain?after=${before?.sequence ?? 0}`
    for await (const { head, items, next } of pagesOf(this.#core.tokens, path, Chain)) {
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
    items: Iterable<SignedStatement> | AsyncIterable<SignedStatement>
  ): Promise<SyncedConversation> {
    const judged: VerifiedStatement[] = []
    let chain: ConversationChain | null = before === null ? null : toChain(before)
    for await (const signed of items) {
      const next = await this.#judge.extension(id, chain, signed)
      judged.push(next)
      chain = next.chain
    }
    if (judged.length === 0) {
      if (before === null) throw untrusted('forked-chain', 'The server shows a conversation without a chain.')
      return { room: before, added: [] }
    }
    await this.#judge.requireVouched(id, judged)
    const added = judged.map(({ link }) => link)
    return { room: await this.#keep(id, chain!, added), added }
  }

  async #keep(id: string, chain: ConversationChain, added: readonly Link[]): Promise<StoredConversation> {
    return this.#core.store.update(async (tx) => {
      const stored = await tx.get<StoredConversation>(recordName(id))
      // Another process may have kept some of these statements meanwhile, or more: they have to be the same ones.
      for (const { hash, statement } of added) {
        const known = await this.#linkIn(tx, id, statement.sequence)
        if (known !== undefined && known.hash !== hash) throw forked()
      }
      if (stored !== undefined && stored.sequence >= chain.sequence) return stored
      await bumpChainRevision(tx)
      const room = toRoom(id, chain, stored ?? null)
      tx.set(recordName(id), room)
      for (const link of added)
        tx.set(linkName(id, link.statement.sequence), link as unknown as Record<string, Value>)
      return room
    })
  }
}

/** Numbers of nine digits at most: sorted by name is sorted by sequence. */
function linkName(id: string, sequence?: number): string {
  return `chain/${id}/${sequence === undefined ? '' : String(sequence).padStart(9, '0')}`
}

function forked(): ChatError {
  return untrusted('forked-chain', 'The conversation’s chain is not the one that was seen before.')
}
