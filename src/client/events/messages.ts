import type { Static } from 'typebox'
import type { durableEvents } from '../../protocol/events.js'
import type { Message } from '../../protocol/messages.js'
import type { OwnDevice } from '../identity/own-device.js'
import { forgetAwaitingKey, noteAwaitingKey, readAwaitingKey } from '../messages/awaiting-key.js'
import type { MessageDecryptor } from '../messages/decrypt.js'
import type { StreamGaps } from '../messages/gaps.js'
import type { SessionKeys } from '../session-keys/store.js'
import type { Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import type { Handled } from './handled.js'

/** Handles messages, and session keys for which messages wait. */
export class MessageEvents {
  readonly #api: Api
  readonly #store: Store
  readonly #keys: SessionKeys
  readonly #decryptor: MessageDecryptor
  readonly #gaps: StreamGaps
  readonly #me: OwnDevice

  constructor(
    api: Api,
    store: Store,
    keys: SessionKeys,
    decryptor: MessageDecryptor,
    gaps: StreamGaps,
    me: OwnDevice
  ) {
    this.#api = api
    this.#store = store
    this.#keys = keys
    this.#decryptor = decryptor
    this.#gaps = gaps
    this.#me = me
  }

  /** @param messages in the order of the stream */
  async *messages(messages: readonly Message[]): AsyncGenerator<Handled> {
    for await (const message of this.#decryptor.decrypt(messages)) {
      const { shown, before } = message
      if (shown.type === 'unreadable') yield { events: [shown], commit: (tx) => noteAwaitingKey(tx, shown) }
      else
        yield {
          events: [...(await this.#gaps.before(shown)), ...before, shown],
          commit: async (tx) => {
            await this.#decryptor.commit(tx, message)
            await this.#gaps.advance(tx, shown)
          }
        }
    }
  }

  async *sessionKey({
    conversationId,
    sessionKeyId
  }: Static<(typeof durableEvents)['session-key.created']>): AsyncGenerator<Handled> {
    this.#keys.clearMiss(conversationId, sessionKeyId)
    const key = await this.#keys.get(conversationId, sessionKeyId)
    if (this.#me.active().device.id in key.roster)
      yield { events: [], commit: (tx) => this.#gaps.begin(tx, conversationId, sessionKeyId) }
    for await (const messages of readAwaitingKey(this.#api, this.#store, conversationId, sessionKeyId))
      yield* this.messages(messages)
    yield { events: [], commit: (tx) => forgetAwaitingKey(tx, conversationId, sessionKeyId) }
  }
}
