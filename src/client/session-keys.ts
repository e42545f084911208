import { SessionKeyPage, type SessionKey } from '../protocol/conversations.js'
import { parseStatement } from '../protocol/statements.js'
import { importSessionKey, type SessionKey as KeyMaterial } from '../crypto/session-keys.js'
import { verifyStatement } from '../crypto/statements.js'
import type { Core } from './core.js'
import { ChatError } from './errors.js'
import { KeyJudge, type StoredKey } from './key-judge.js'
import { Recent } from './recent.js'
import { RoomJudge } from './room-judge.js'
import { isActive } from './user-record.js'
import { untrusted } from './untrusted.js'

/** For so long it is not asked again for a key that did not come. */
const MISSING_MS = 5000

/** A session key ready for use. */
export type HeldKey = StoredKey & { material: KeyMaterial }

/** The session keys of this device: fetched, judged, unwrapped once, and held. */
export class SessionKeys {
  readonly #core: Core
  readonly #judge: KeyJudge
  readonly #held = new Recent<string, HeldKey>(512)
  /** Keys that were refused or did not come, and when. */
  readonly #without = new Recent<string, { error: ChatError; at: number }>(4096)
  readonly #underWay = new Map<string, Promise<StoredKey[]>>()

  constructor(core: Core) {
    this.#core = core
    this.#judge = new KeyJudge(core)
  }

  /**
   * A session key by its id, from the store or from the server.
   *
   * @throws {ChatError} `no-session-key` (`usage`) if there is none for this device, `untrusted` if it was refused
   */
  async get(conversationId: string, id: string): Promise<HeldKey> {
    const held = await this.peek(conversationId, id)
    if (held !== undefined) return held
    const without = this.#without.get(id)
    const now = this.#core.options.now()
    if (without !== undefined && (without.error.kind === 'untrusted' || now - without.at < MISSING_MS))
      throw without.error
    await this.sync(conversationId, id)
    const come = await this.peek(conversationId, id)
    if (come !== undefined) return come
    const error = this.#without.get(id)?.error ?? noKey()
    this.#without.set(id, { error, at: now })
    throw error
  }

  async peek(conversationId: string, id: string): Promise<HeldKey | undefined> {
    const held = this.#held.get(id)
    if (held !== undefined) return held.conversationId === conversationId ? held : undefined
    const stored = await this.#core.store.get<StoredKey>(name(conversationId, id))
    return stored && this.#ready(stored)
  }

  async #ready(stored: StoredKey): Promise<HeldKey> {
    const held = { ...stored, material: await importSessionKey(stored.id, stored.key) }
    this.#held.set(stored.id, held)
    return held
  }

  /** All that are held of a conversation. */
  async list(conversationId: string): Promise<StoredKey[]> {
    return (await this.#core.store.list<StoredKey>(name(conversationId, ''))).map(([, key]) => key)
  }

  async hold(key: StoredKey): Promise<HeldKey> {
    await this.#core.store.update((tx) => tx.set(name(key.conversationId, key.id), key))
    return this.#ready(key)
  }

  /** Destroy all session keys: what was said under them can't be read here any more. */
  async destroyAll(): Promise<void> {
    await this.#core.store.update(async (tx) => {
      for (const [stored] of await tx.list('key/')) tx.delete(stored)
    })
    this.#held.clear()
  }

  /** A key may have come that did not before. */
  expect(id: string): void {
    if (this.#without.get(id)?.error.kind !== 'untrusted') this.#without.delete(id)
  }

  /**
   * Fetch, judge and hold the session keys that are not held yet: newest first down to `wanted`, or as far as there
   * is something new. What is refused is not held, and `get` says why.
   *
   * @returns those that came, oldest first
   */
  sync(conversationId: string, wanted?: string): Promise<StoredKey[]> {
    const key = `${conversationId} ${wanted ?? ''}`
    const present = this.#underWay.get(key)
    if (present !== undefined) return present
    const work = this.#sync(conversationId, wanted).finally(() => this.#underWay.delete(key))
    this.#underWay.set(key, work)
    return work
  }

  async #sync(conversationId: string, wanted: string | undefined): Promise<StoredKey[]> {
    await this.#core.rooms.get(conversationId)
    const come: StoredKey[] = []
    for await (const items of this.#pages(conversationId)) {
      const fresh: StoredKey[] = []
      for (const item of items)
        if ((await this.peek(conversationId, item.id)) === undefined) {
          const key = await this.#judged(conversationId, item)
          if (key !== null) fresh.push(key)
        }
      for (const key of fresh) await this.hold(key)
      come.push(...fresh)
      const enough = wanted === undefined ? fresh.length === 0 : items.some(({ id }) => id === wanted)
      if (enough) break
    }
    return come.reverse()
  }

  /** Every session key there is for this device, such as before its encryption key is destroyed. */
  async syncAll(conversationId: string): Promise<void> {
    for await (const items of this.#pages(conversationId))
      for (const item of items)
        if ((await this.peek(conversationId, item.id)) === undefined) {
          const key = await this.#judged(conversationId, item)
          if (key !== null) await this.hold(key)
        }
  }

  /** Null if it can't be used; why is remembered. Anything else that goes wrong says nothing about the key. */
  async #judged(conversationId: string, item: SessionKey): Promise<StoredKey | null> {
    try {
      return await this.#judge.judge(conversationId, item)
    } catch (error) {
      const final =
        error instanceof ChatError && (error.kind === 'untrusted' || error.code === 'unreadable-key')
      if (!final) throw error
      this.#without.set(item.id, { error, at: this.#core.options.now() })
      return null
    }
  }

  async *#pages(conversationId: string): AsyncGenerator<SessionKey[], void, undefined> {
    let more = ''
    do {
      const path = `/v1/conversations/${conversationId}/session-keys?limit=50${more}`
      const { body } = await this.#core.tokens.call({ method: 'GET', path, answer: SessionKeyPage })
      yield body.items
      more = body.next === null ? '' : `&cursor=${encodeURIComponent(body.next)}`
    } while (more !== '')
  }

  /**
   * Whether a session key whose maker is active today names one of these heads: the living vouch for the past.
   *
   * @param heads the members when each of the statements was the newest
   */
  async isVouched(
    conversationId: string,
    heads: ReadonlyMap<string, ReadonlyMap<string, { root: string }>>
  ): Promise<boolean> {
    const judge = new RoomJudge(this.#core)
    for await (const items of this.#pages(conversationId))
      for (const { statement: signed } of items) {
        const { head, by, conversation } = parseStatement(signed.text, ['session-key'])
        const members = heads.get(head)
        if (members === undefined || conversation !== conversationId) continue
        const maker = await judge.owner(by, members)
        if (maker === null || !isActive(maker, by)) continue
        await verifyStatement(signed, new Map([[by, await this.#core.users.signingKey(maker, by)]]))
        return true
      }
    return false
  }
}

function name(conversationId: string, id: string): string {
  return `key/${conversationId}/${id}`
}

function noKey(): ChatError {
  return new ChatError(
    'usage',
    'no-session-key',
    'No session key for this message was wrapped for this device.'
  )
}

/** @throws {ChatError} what `error` says about a session key, as `untrusted` */
export function asUntrusted(error: unknown): ChatError {
  return error instanceof ChatError ? error : untrusted('malformed-message', 'It can’t be read.', error)
}
