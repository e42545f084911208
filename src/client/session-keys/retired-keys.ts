import { EventPage } from '../../protocol/events.js'
import type { ChainKey } from '../../protocol/conversation-chain.js'
import { SessionKeyPage } from '../../protocol/conversations.js'
import type { ConversationChains } from '../conversations/chains.js'
import { CURSOR } from '../stores/read-range.js'
import type { VerifiedConversation } from '../conversations/record.js'
import { ChatError, isLeft } from '../errors.js'
import { alarmKey, type Alarms } from '../identity/alarms.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import { conversationIds, pagesOf } from '../transport/pages.js'
import type { SessionKeys } from './store.js'

/** Events that one look takes. */
const [MAX_PAGES, PAGE] = [10, 100]
/** An answer may be lost, and a device does not know of a removal before it reads the stream. */
const PATIENCE_MS = 24 * 3600 * 1000
/** Since when replaced keys could not be destroyed, and where the stream was then. */
const KEPT = 'rekey/kept'
type Kept = { since: number; cursor: string }
const ALARM = { code: 'kept-keys', about: {} }

/** Destroys private keys that were replaced, once every wrap that was made for them was fetched and tried. */
export class RetiredKeys {
  readonly #api: Api
  readonly #store: Store
  readonly #chains: ConversationChains
  readonly #keys: SessionKeys
  readonly #me: OwnDevice
  readonly #alarms: Alarms
  readonly #now: () => number

  constructor(
    api: Api,
    store: Store,
    chains: ConversationChains,
    keys: SessionKeys,
    me: OwnDevice,
    alarms: Alarms,
    now: () => number
  ) {
    this.#api = api
    this.#store = store
    this.#chains = chains
    this.#keys = keys
    this.#me = me
    this.#alarms = alarms
    this.#now = now
  }

  /** @throws {ChatError} `unreachable` and the like: then the keys stay, and another call goes on */
  async destroy(): Promise<void> {
    const retired = this.#me.retiredKeys()
    if (retired.length === 0) return
    const unread = await this.#unread()
    if (unread === null) return
    const known = (await this.#chains.list()).map(({ id }) => id)
    const ids = new Set([...known, ...(await conversationIds(this.#api)), ...unread])
    const needed = new Map<string, string>()
    for (const id of ids) for (const print of await this.#needed(id)) needed.set(print, id)
    await this.#me.destroyRetiredKeys(retired.filter(({ encryption }) => !needed.has(encryption.fingerprint)))
    if (needed.size === 0) await this.#settle()
    else await this.#keep([...needed.values()].find((id) => !unread.includes(id)))
  }

  /** Destroy them all, whatever was made for them: the person wants to forget. */
  async destroyAll(): Promise<void> {
    await this.#me.destroyRetiredKeys(this.#me.retiredKeys())
    await this.#settle()
  }

  /**
   * A wrap that the server does not show may still be there: the keys stay, and the person hears of it.
   *
   * @param conversationId undefined if the stream has not brought yet what may explain it
   */
  async #keep(conversationId: string | undefined): Promise<void> {
    const cursor = (await this.#store.get<string>(CURSOR)) ?? ''
    const kept = await this.#store.get<Kept>(KEPT)
    if (kept === undefined)
      return this.#store.update((tx) => tx.set(KEPT, { since: this.#now(), cursor } satisfies Kept))
    if (this.#now() - kept.since < PATIENCE_MS || kept.cursor === cursor) return
    if (conversationId === undefined) return
    const message =
      'Replaced private keys of this device stay: the server does not show all that was encrypted for them.'
    const hint = 'A rekey that forgets the past destroys them, and with them what only they open.'
    const alarm = { code: ALARM.code, message, hint, about: { conversationId } }
    await this.#alarms.raiseOnce(alarm, alarmKey(ALARM))
  }

  /** None is kept any more. */
  async #settle(): Promise<void> {
    if ((await this.#store.get(KEPT)) === undefined) return
    await this.#store.update((tx) => tx.delete(KEPT))
    await this.#alarms.resolve(ALARM)
  }

  /**
   * Conversations of events that the stream has not brought yet: this user may have come in and gone again since.
   *
   * @returns null if there is more than a look can take: then the stream has to read on first
   */
  async #unread(): Promise<string[] | null> {
    const ids: string[] = []
    let cursor = (await this.#store.get<string>(CURSOR)) ?? '0'
    for (let pages = 0; pages < MAX_PAGES; pages++) {
      const path = `/v1/events/page?limit=${PAGE}&after=${encodeURIComponent(cursor)}`
      const { body } = await this.#api.call({ method: 'GET', path, response: EventPage })
      for (const { data } of body.items) {
        const { conversationId } = data as { conversationId?: unknown }
        if (typeof conversationId === 'string') ids.push(conversationId)
      }
      if (body.items.length === 0) return ids
      cursor = body.cursor
    }
    return null
  }

  /** Encryption keys for which the conversation has wraps that the server did not show. */
  async #needed(id: string): Promise<string[]> {
    const conversation = await this.#conversation(id)
    if (conversation === null) return this.#me.retiredKeys().map(({ encryption }) => encryption.fingerprint)
    const users = await this.#chains.users(id)
    const retired = new Set(this.#me.retiredKeys().map(({ encryption }) => encryption.fingerprint))
    const stored = new Set(await this.#keys.list(id))
    const needed: string[] = []
    const others: ChainKey[] = []
    for (const key of conversation.history.keys) {
      if (stored.has(key.hash)) continue
      const [line] = conversation.history.rosterDevices(key, this.#me.signingKey, users)
      if (line === undefined) others.push(key)
      else if (retired.has(line.device.encryptionKey) && !(await this.#open(conversation, key)))
        needed.push(line.device.encryptionKey)
    }
    if (others.length === 0) return needed
    // There may be later wraps of these, also some that were made for keys which the person has destroyed.
    const served = await this.#served(id)
    for (const key of others) if (served.has(key.id)) await this.#open(conversation, key, { isLater: true })
    return needed
  }

  /** Ids of the session keys for which the server says that it has wraps for this device. */
  async #served(id: string): Promise<Set<string>> {
    const ids = new Set<string>()
    try {
      const path = `/v1/conversations/${id}/session-keys?limit=50`
      for await (const { items } of pagesOf(this.#api, path, SessionKeyPage))
        for (const { id } of items) ids.add(id)
    } catch (error) {
      if (!isLeft(error)) throw error
    }
    return ids
  }

  /** The conversation, fetched to its end; null if it can't be. One that was left is as it was known last. */
  async #conversation(id: string): Promise<VerifiedConversation | null> {
    try {
      return (await this.#chains.sync(id)).conversation
    } catch (error) {
      if (!isLeft(error) && !(error instanceof ChatError && error.kind === 'untrusted')) throw error
      const known = isLeft(error) ? await this.#chains.peek(id).catch(() => undefined) : undefined
      return known?.chain.members.has(this.#me.username) === false ? known : null
    }
  }

  /** Whether the wraps of a session key were fetched, and tried. */
  async #open(
    { id, chain }: VerifiedConversation,
    { hash }: ChainKey,
    { isLater = false } = {}
  ): Promise<boolean> {
    this.#keys.clearMiss(id, hash)
    try {
      await this.#keys.byHash(id, hash)
      return true
    } catch (error) {
      if (!(error instanceof ChatError)) throw error
      // Those who have left get no wraps any more.
      if (error.code === 'no-session-key') return !chain.members.has(this.#me.username)
      if (error.kind !== 'untrusted' && error.code !== 'unreadable-key') throw error
      const { kind, code, message } = error
      if (kind === 'untrusted' || !isLater)
        await this.#alarms.raiseOnce({ code, message, about: { conversationId: id } })
      return true
    }
  }
}
