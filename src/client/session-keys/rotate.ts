import { ConversationResponse, SessionKeyResponse, type Conversation } from '../../protocol/conversations.js'
import { rosterHash } from '../../crypto/session-keys.js'
import type { ConversationChains } from '../conversations/chains.js'
import { ChatError, isRefusal, untrusted } from '../errors.js'
import type { OwnDevice } from '../identity/own-device.js'
import { sleep } from '../transport/abort.js'
import type { Api } from '../transport/api.js'
import { retryOnConflict } from '../transport/retry.js'
import type { SessionKeyFactory } from './create.js'
import type { Rosters } from './roster.js'
import type { SessionKey, SessionKeys } from './store.js'

const TRIES = 6

/** Finds the session key to send under, or makes a new one. */
export class KeyRotation {
  readonly #api: Api
  readonly #chains: ConversationChains
  readonly #rosters: Rosters
  readonly #keys: SessionKeys
  readonly #factory: SessionKeyFactory
  readonly #me: OwnDevice
  readonly #random: () => number

  constructor(
    api: Api,
    chains: ConversationChains,
    rosters: Rosters,
    keys: SessionKeys,
    factory: SessionKeyFactory,
    me: OwnDevice,
    random: () => number
  ) {
    this.#api = api
    this.#chains = chains
    this.#rosters = rosters
    this.#keys = keys
    this.#factory = factory
    this.#me = me
    this.#random = random
  }

  /**
   * A session key that covers exactly today's members and devices: the server's current one, or a new one.
   *
   * @param spent id of a key that is not to be used any more
   * @throws {ChatError} `identity-changed`, `refused`, `untrusted`, `unreachable`
   */
  async ensureCurrent(conversationId: string, spent?: string): Promise<SessionKey> {
    const pause = (_: unknown, attempt: number): Promise<void> =>
      sleep(this.#random() * 100 * 2 ** attempt, this.#api.closed)
    const attempt = (): Promise<SessionKey> => this.#ensureCurrent(conversationId, spent)
    try {
      return await retryOnConflict(['stale-roster'], TRIES, attempt, pause)
    } catch (error) {
      if (!isRefusal(error, 'stale-roster')) throw error
      throw untrusted('ghost-device', 'The server asks for a roster that the chains do not give.', error)
    }
  }

  async #ensureCurrent(conversationId: string, spent: string | undefined): Promise<SessionKey> {
    const { conversation, devices } = await this.#rosters.sync(
      (await this.#chains.sync(conversationId)).conversation
    )
    if (!devices.some(({ deviceId }) => deviceId === this.#me.active().device.id)) throw notInRoster()
    const current = await this.#adoptable(await this.#fetch(conversationId), await rosterHash(devices), spent)
    if (current !== null) return current
    const { body, stored } = await this.#factory.create(conversation, devices)
    const path = `/v1/conversations/${conversationId}/session-keys`
    await this.#api.call({ method: 'POST', path, body, response: SessionKeyResponse })
    return this.#keys.save(stored)
  }

  async #fetch(id: string): Promise<Conversation> {
    const path = `/v1/conversations/${id}`
    const { body } = await this.#api.call({ method: 'GET', path, response: ConversationResponse })
    if (body.conversation.id === id) return body.conversation
    throw untrusted('moved-conversation', 'The server shows another conversation than it was asked for.')
  }

  /** The server's current key, if it is good and covers exactly the devices of the roster. */
  async #adoptable(
    { id, sessionKeyId, rekeyRequired }: Conversation,
    roster: string,
    spent: string | undefined
  ): Promise<SessionKey | null> {
    if (sessionKeyId === null || rekeyRequired || sessionKeyId === spent) return null
    try {
      const key = await this.#keys.get(id, sessionKeyId)
      return key.rosterHash === roster ? key : null
    } catch (error) {
      // Nothing is sent under a key that was refused.
      if (error instanceof ChatError && (error.kind === 'untrusted' || error.kind === 'usage')) return null
      throw error
    }
  }
}

function notInRoster(): ChatError {
  return new ChatError('usage', 'not-in-roster', 'Another member has to renew your membership first.', {
    hint: 'Your identity is newer than the conversation’s line for you.'
  })
}
