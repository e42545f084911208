import Type from 'typebox'
import { SessionKey, SessionKeyPage } from '../../protocol/conversations.js'
import { ref } from '../../protocol/schema.js'
import { parseStatement } from '../../protocol/statements.js'
import { importSessionKey, type SessionKey as KeyMaterial } from '../../crypto/session-keys.js'
import { verifyStatement } from '../../crypto/statements.js'
import type { Core } from '../core.js'
import { ChatError, RefusedError, untrusted } from '../errors.js'
import { SessionKeyVerifier, type StoredKey } from './verify.js'
import { pagesOf } from '../transport/pages.js'
import { LruMap } from '../stores/lru-map.js'
import { MembershipVerifier } from '../conversations/verify.js'
import { isActive } from '../identity/user-record.js'

const One = Type.Object({ sessionKey: ref(SessionKey) })

/** For so long it is not asked again for a key that was refused or did not come. */
const MISSING_MS = 5000

/** A session key ready for use. */
export type HeldKey = StoredKey & { material: KeyMaterial }

/** The session keys of this device: fetched, judged, unwrapped once, and held. */
export class SessionKeys {
  readonly #core: Core
  readonly #judge: SessionKeyVerifier
  readonly #held = new LruMap<string, HeldKey>(512)
  /** Keys that were refused or did not come, and when. */
  readonly #without = new LruMap<string, { error: ChatError; at: number }>(4096)
  readonly #underWay = new Map<string, Promise<HeldKey>>()

  constructor(core: Core) {
    this.#core = core
    this.#judge = new SessionKeyVerifier(core)
  }

  /**
   * A session key by its id, from the store or from the server.
   *
   * @throws {ChatError} `no-session-key` (`usage`) if there is none for this device, `untrusted` if it was refused
   */
  async get(conversationId: string, id: string): Promise<HeldKey> {
    const held = await this.peek(conversationId, id)
    if (held !== undefined) return held
    const place = name(conversationId, id)
    const without = this.#without.get(place)
    if (without !== undefined && this.#core.options.now() - without.at < MISSING_MS) throw without.error
    const present = this.#underWay.get(place)
    if (present !== undefined) return present
    const work = this.#fetch(conversationId, id).finally(() => this.#underWay.delete(place))
    this.#underWay.set(place, work)
    return work
  }

  async #fetch(conversationId: string, id: string): Promise<HeldKey> {
    try {
      await this.#core.rooms.get(conversationId)
      const path = `/v1/conversations/${conversationId}/session-keys/${id}`
      const { body } = await this.#core.tokens.call({ method: 'GET', path, response: One })
      if (body.sessionKey.id !== id)
        throw untrusted('forged-session-key', 'The server shows another session key.')
      return await this.hold(await this.#judge.judge(conversationId, body.sessionKey))
    } catch (error) {
      const why = error instanceof RefusedError && error.status === 404 ? noKey(error) : error
      if (saysNo(why)) this.#refuse(conversationId, id, why)
      throw why
    }
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
  expect(conversationId: string, id: string): void {
    this.#without.delete(name(conversationId, id))
  }

  #refuse(conversationId: string, id: string, error: ChatError): void {
    this.#without.set(name(conversationId, id), { error, at: this.#core.options.now() })
  }

  /** Every session key there is for this device, such as before its encryption key is destroyed. */
  async fetchAll(conversationId: string): Promise<void> {
    await this.#core.rooms.get(conversationId)
    for await (const { items } of this.#pages(conversationId))
      for (const item of items) {
        if ((await this.peek(conversationId, item.id)) !== undefined) continue
        const key = await this.#judge.judge(conversationId, item).catch((error: unknown) => {
          if (!saysNo(error)) throw error
          this.#refuse(conversationId, item.id, error)
          return null
        })
        if (key !== null) await this.hold(key)
      }
  }

  #pages(conversationId: string): AsyncIterable<{ items: SessionKey[] }> {
    const path = `/v1/conversations/${conversationId}/session-keys?limit=50`
    return pagesOf(this.#core.tokens, path, SessionKeyPage)
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
    const judge = new MembershipVerifier(this.#core)
    for await (const { items } of this.#pages(conversationId))
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

function noKey(cause: unknown): ChatError {
  const message = 'No session key for this message was wrapped for this device.'
  return new ChatError('usage', 'no-session-key', message, { cause })
}

/** Whether what went wrong is a word about the key, and no mishap on the way. */
function saysNo(error: unknown): error is ChatError {
  return (
    error instanceof ChatError &&
    (error.kind === 'untrusted' || error.code === 'unreadable-key' || error.code === 'no-session-key')
  )
}
