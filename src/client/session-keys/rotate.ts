import { SessionKeyResponse } from '../../protocol/conversations.js'
import { rosterHash } from '../../crypto/session-keys.js'
import { ChatError, isRefusal, untrusted } from '../errors.js'
import type { OwnDevice } from '../identity/own-device.js'
import { sleep } from '../transport/abort.js'
import type { Api } from '../transport/api.js'
import { retryOnConflict } from '../transport/retry-on-conflict.js'
import type { SessionKeyFactory } from './create.js'
import type { Rosters } from './roster.js'
import type { SessionKey, SessionKeys } from './store.js'

const TRIES = 6

/** Finds the session key to send under, or makes a new one. */
export class KeyRotation {
  readonly #api: Api
  readonly #rosters: Rosters
  readonly #keys: SessionKeys
  readonly #factory: SessionKeyFactory
  readonly #me: OwnDevice
  readonly #random: () => number

  constructor(
    api: Api,
    rosters: Rosters,
    keys: SessionKeys,
    factory: SessionKeyFactory,
    me: OwnDevice,
    random: () => number
  ) {
    this.#api = api
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
    const { conversation, devices, sessionKeyId } = await this.#rosters.sync(conversationId)
    if (!devices.some(({ deviceId }) => deviceId === this.#me.active().device.id)) throw notInRoster()
    if (sessionKeyId !== null && sessionKeyId !== spent) {
      const key = await this.#usable(conversationId, sessionKeyId)
      if (key?.rosterHash === (await rosterHash(devices))) return key
    }
    const { body, stored } = await this.#factory.create(conversation, devices)
    const path = `/v1/conversations/${conversationId}/session-keys`
    await this.#api.call({ method: 'POST', path, body, response: SessionKeyResponse })
    return this.#keys.save(stored)
  }

  /** A session key, or null if it was refused: nothing is sent under it. */
  async #usable(conversationId: string, id: string): Promise<SessionKey | null> {
    try {
      return await this.#keys.get(conversationId, id)
    } catch (error) {
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
