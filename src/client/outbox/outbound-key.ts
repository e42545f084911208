import type { NewMessage } from '../../protocol/messages.js'
import { chainRevision } from '../identity/chain-revision.js'
import type { OwnDevice } from '../identity/own-device.js'
import { encryptor, type Encrypt } from '../messages/encrypt.js'
import type { Rosters } from '../session-keys/roster.js'
import type { KeyRotation } from '../session-keys/rotate.js'
import type { SessionKey, SessionKeys } from '../session-keys/store.js'
import type { Store } from '../stores/store.js'
import type { OutboxState, QueuedMessage, SendState } from './state.js'

/** How long a device uses a session key: whichever ends first. */
export interface KeyLimits {
  messages: number
  ageMs: number
}

/** The session key under which this device sends in each conversation. */
export class OutboundKeys {
  readonly #store: Store
  readonly #state: OutboxState
  readonly #keys: SessionKeys
  readonly #rosters: Rosters
  readonly #rotation: KeyRotation
  readonly #me: OwnDevice
  readonly #now: () => number
  readonly #limits: KeyLimits
  /** Signatures of encrypted messages that have not left this process. */
  readonly #unposted = new Set<string>()

  constructor(
    store: Store,
    state: OutboxState,
    keys: SessionKeys,
    rosters: Rosters,
    rotation: KeyRotation,
    me: OwnDevice,
    now: () => number,
    limits: KeyLimits
  ) {
    this.#store = store
    this.#state = state
    this.#keys = keys
    this.#rosters = rosters
    this.#rotation = rotation
    this.#me = me
    this.#now = now
    this.#limits = limits
  }

  /** The key to encrypt under for now. `ready` checks it again before anything is posted. */
  async current(conversationId: string): Promise<SessionKey> {
    const state = await this.#state.get(conversationId)
    const key = state === null ? undefined : await this.#keys.peek(conversationId, state.keyId)
    return key ?? this.renew(conversationId)
  }

  /** The key that the server accepts now. */
  async refreshed(conversationId: string): Promise<SessionKey> {
    const state = await this.#state.get(conversationId)
    return this.renew(conversationId, state !== null && this.#isSpent(state) ? state.keyId : undefined)
  }

  /**
   * Adopt or make a new key, and encrypt the queued messages again under it. Only for messages that the
   * server lacks.
   */
  async renew(conversationId: string, spent?: string): Promise<SessionKey> {
    const revision = await chainRevision(this.#store)
    const key = await this.#rotation.ensureCurrent(conversationId, spent)
    await this.#state.use(conversationId, key.id, revision, this.#now(), this.encryptor(key))
    return key
  }

  /**
   * The first of the queued messages that can be posted as they are, all under one key. The others have to be
   * encrypted again: their device was replaced, or their key is spent or does not cover exactly today's
   * members and devices. Messages that the server may have are not changed.
   */
  async ready(conversationId: string, queued: readonly QueuedMessage[]): Promise<QueuedMessage[]> {
    const ready: QueuedMessage[] = []
    let isKeyChecked = false
    for (const message of queued) {
      if (message.by !== this.#me.active().device.signing.fingerprint) break
      if (message.sealed.sessionKeyId !== queued[0]!.sealed.sessionKeyId) break
      if (this.#unposted.has(message.sealed.signature)) {
        if (!isKeyChecked && (await this.#isOutdated(conversationId, message))) break
        isKeyChecked = true
      }
      ready.push(message)
    }
    return ready
  }

  /** Encrypts under a key, and remembers that the message has not left this process. */
  encryptor(key: SessionKey): Encrypt {
    const encrypt = encryptor(this.#me.active().device.signing, key)
    return async (draft, n) => {
      const message = await encrypt(draft, n)
      this.#unposted.add(message.sealed.signature)
      return message
    }
  }

  /** From now on the server may have this message. */
  markInFlight({ signature }: NewMessage): void {
    this.#unposted.delete(signature)
  }

  /** Whether the key of a message that was not posted yet is out of date. */
  async #isOutdated(conversationId: string, { sealed }: QueuedMessage): Promise<boolean> {
    const revision = await chainRevision(this.#store)
    const state = await this.#state.get(conversationId)
    if (state === null || state.keyId !== sealed.sessionKeyId) return false
    if (this.#isSpent(state)) return true
    if (state.growth === revision) return false
    const key = await this.#keys.peek(conversationId, state.keyId)
    if (key === undefined || !(await this.#rosters.isCovered(key))) return true
    await this.#state.confirm(conversationId, key.id, revision)
    return false
  }

  #isSpent({ count, first, next, since }: SendState): boolean {
    // Messages under the key that are no longer queued.
    const posted = count - (next - first)
    return posted >= this.#limits.messages || this.#now() - since >= this.#limits.ageMs
  }
}
