import type { Static } from 'typebox'
import type { durableEvents } from '../../protocol/events.js'
import type { Message } from '../../protocol/messages.js'
import { messageDigest } from '../../crypto/messages.js'
import type { ConversationChains } from '../conversations/chains.js'
import type { Boundaries } from '../conversations/boundaries.js'
import { forgetAwaitingKey, noteAwaitingKey, readAwaitingKey } from '../messages/awaiting-key.js'
import { noteDeleted, shownDeleted } from '../messages/deleted.js'
import type { MessageDecryptor } from '../messages/decrypt.js'
import type { StreamGaps } from '../messages/stream-gaps.js'
import type { TrustInbox } from '../messages/trust-inbox.js'
import type { IncomingMessage, UnreadableMessage } from '../types/messages.js'
import { ChatError } from '../errors.js'
import { lacksKey, type SessionKeys } from '../session-keys/store.js'
import { isWrongWrap, type WrongWraps } from '../session-keys/wrong-wraps.js'
import type { Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import type { Handled } from '../identity/handled.js'
import type { InvitationEvents } from './invitations.js'

/** Messages without their key that a reader remembers, of each session key, and tombstones. */
const MAX_SHOWN = 10_000

/** Handles messages, and session keys for which messages wait. */
export class MessageEvents {
  readonly #api: Api
  readonly #store: Store
  readonly #keys: SessionKeys
  readonly #decryptor: MessageDecryptor
  readonly #gaps: StreamGaps
  readonly #trust: TrustInbox
  readonly #chains: ConversationChains
  readonly #boundaries: Boundaries
  readonly #wrong: WrongWraps
  readonly #invitations: InvitationEvents
  /**
   * Places of messages that this reader has shown without their key, by session key: another client of the store may be
   * the first to show them with it, and then deletes their notes.
   */
  readonly #shownWithout = new Map<string, Set<number>>()
  /** Tombstones that this reader has shown in their places. Another reader of the store may have shown the messages. */
  readonly #shownDeleted = new Set<string>()

  constructor(
    api: Api,
    store: Store,
    keys: SessionKeys,
    decryptor: MessageDecryptor,
    gaps: StreamGaps,
    trust: TrustInbox,
    chains: ConversationChains,
    boundaries: Boundaries,
    wrong: WrongWraps,
    invitations: InvitationEvents
  ) {
    this.#api = api
    this.#store = store
    this.#keys = keys
    this.#decryptor = decryptor
    this.#gaps = gaps
    this.#trust = trust
    this.#chains = chains
    this.#boundaries = boundaries
    this.#wrong = wrong
    this.#invitations = invitations
  }

  /** @param messages in the order of the stream */
  async *messages(messages: readonly Message[]): AsyncGenerator<Handled> {
    let at = 0
    for await (const message of this.#decryptor.decrypt(messages)) {
      const { shown, before } = message
      const served = messages[at++]!
      if (shown.type === 'unreadable') {
        // A message whose base64 is malformed can't be read with a key either.
        const awaiting = { ...shown, digest: await messageDigest(served).catch(() => '') }
        const isWrong = isWrongWrap(shown.error)
        const isAwaiting = isWrong || (lacksKey(shown.error) && (await this.#hasLink(shown)))
        if (isWrong) await this.#wrong.tell(shown)
        yield {
          events: [shown],
          commit: async (tx) => {
            // Another own device may forward a key that was wrapped wrongly for this one.
            if (isAwaiting) {
              await noteAwaitingKey(tx, awaiting)
              this.#noteShown(shown)
            }
            if (isWrong) await this.#wrong.plan(tx, shown)
          }
        }
        // If this is interrupted, the next connection goes on with it.
        if (isWrong) this.#wrong.resume().catch(() => undefined)
      } else {
        const told = await this.#take(shown)
        const gap = await this.#gaps.before(shown)
        const { conversationId, key, position } = shown
        const { link } = await this.#keys.byHash(conversationId, key)
        yield {
          events: [...gap.events, ...before, ...told.events, shown],
          commit: async (tx) => {
            await told.commit?.(tx)
            await gap.commit?.(tx)
            await this.#decryptor.commit(tx, message)
            const isFirst = await this.#gaps.advance(tx, shown, gap.filledTo)
            if (isFirst) await this.#boundaries.noteStreamed(tx, conversationId, link.sequence, position)
          }
        }
        if (shown.content.type === 'lacks') this.#trust.forward()
        if (shown.content.type === 'hello') this.#invitations.resume()
      }
    }
  }

  #noteShown({ key, position }: UnreadableMessage): void {
    const places = this.#shownWithout.get(key) ?? new Set()
    if (places.size < MAX_SHOWN) this.#shownWithout.set(key, places.add(position))
  }

  /** Whether its key stands in the chain: only then it was judged as any other message. */
  async #hasLink({ conversationId, key }: { conversationId: string; key: string }): Promise<boolean> {
    return (await this.#chains.peek(conversationId))?.history.key(key) !== undefined
  }

  /** A message that says what other devices know. One that contradicts the chains is an alarm. */
  async #take(message: IncomingMessage): Promise<Handled> {
    const { conversationId, content } = message
    if (content.type === 'hello') return this.#invitations.hello(message, content)
    try {
      const commit = await this.#trust.take(message)
      return commit === undefined ? { events: [] } : { events: [], commit }
    } catch (error) {
      if (!(error instanceof ChatError) || error.kind !== 'untrusted') throw error
      return { events: [{ type: 'untrusted', error, conversationId }] }
    }
  }

  /**
   * In the place of the message it leaves a gap, and so it does if the message waits for its key. A tombstone that this
   * reader has shown in its place is not shown again where it was deleted.
   */
  *deleted({
    position,
    conversationId,
    message
  }: Static<(typeof durableEvents)['message.deleted']>): Generator<Handled> {
    const shown = shownDeleted(conversationId, message)
    const isInPlace = message.position === position
    const name = `${conversationId}/${shown.id}/${shown.position}`
    if (!isInPlace && this.#shownDeleted.delete(name)) return
    yield {
      events: [shown],
      commit: async (tx) => {
        if (isInPlace && this.#shownDeleted.size < MAX_SHOWN) this.#shownDeleted.add(name)
        this.#shownWithout.get(shown.key)?.delete(shown.position)
        const hasWaited = await forgetAwaitingKey(tx, shown, shown.id)
        if (isInPlace || hasWaited) await noteDeleted(tx, shown)
      }
    }
  }

  /** A session key was wrapped for this device later. The messages that waited for it come now. */
  async *sessionKey({
    conversationId,
    sessionKeyId
  }: Static<(typeof durableEvents)['session-key.shared']>): AsyncGenerator<Handled> {
    const { history } = await this.#chains.get(conversationId)
    const hash = history.keys.find(({ id }) => id === sessionKeyId)?.hash
    if (hash === undefined) return
    this.#keys.clearMiss(conversationId, hash)
    await this.#keys.byHash(conversationId, hash)
    const shown = this.#shownWithout.get(hash)
    // The caller takes a place away when its message was shown: until then an interruption loses nothing.
    const waiting = readAwaitingKey(this.#api, this.#store, conversationId, hash, new Set(shown))
    for await (const { messages, deleted } of waiting) {
      for (const tombstone of deleted) {
        const event = shownDeleted(conversationId, tombstone)
        // It fills a gap: the stream may never have brought it.
        yield {
          events: [event],
          commit: async (tx) => {
            shown?.delete(event.position)
            await forgetAwaitingKey(tx, event)
            await noteDeleted(tx, event)
          }
        }
      }
      let at = 0
      for await (const { events, commit } of this.messages(messages)) {
        const message = messages[at++]!
        yield {
          events,
          commit: async (tx) => {
            await forgetAwaitingKey(tx, message)
            shown?.delete(message.position)
            await commit?.(tx)
          }
        }
      }
    }
    if (shown?.size === 0) this.#shownWithout.delete(hash)
  }
}
