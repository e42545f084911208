import type { NewMessage } from '../../protocol/messages.js'
import { chainRevision } from '../identity/chain-revision.js'
import type { OwnDevice } from '../identity/own-device.js'
import { encryptor, type Encrypt } from '../messages/encrypt.js'
import type { CounterId } from '../messages/seen.js'
import type { Signer } from '../../crypto/statements.js'
import type { Rosters } from '../session-keys/roster.js'
import type { Sealing } from '../session-keys/sealing.js'
import type { UsableKey } from '../session-keys/store.js'
import type { Store } from '../stores/store.js'
import type { OutboxState, QueuedMessage } from './state.js'

/** What this device encrypts with: its signing keys are in the roster of the session key. */
interface Outbound {
  key: UsableKey
  signer: Signer
}

/** The session key under which this device sends in each conversation. */
export class OutboundKeys {
  readonly #store: Store
  readonly #state: OutboxState
  readonly #rosters: Rosters
  readonly #sealing: Sealing
  readonly #me: OwnDevice
  /** Signatures of messages that the server does not have: they have not left, or it has refused their key. */
  readonly #absent = new Set<string>()

  constructor(store: Store, state: OutboxState, rosters: Rosters, sealing: Sealing, me: OwnDevice) {
    this.#store = store
    this.#state = state
    this.#rosters = rosters
    this.#sealing = sealing
    this.#me = me
  }

  /**
   * The key to encrypt under now. If it is another one than before, queued messages are encrypted again.
   *
   * @param refused hash of the key that the server does not take any more
   * @returns null if the server may have a queued message, which is not encrypted a second time: post it first
   */
  async current(conversationId: string, refused?: string): Promise<Outbound | null> {
    const revision = await chainRevision(this.#store)
    const state = await this.#state.get(conversationId)
    const signer = this.#signer
    const isKnown = state?.growth === revision && state.by === signer.fingerprint && state.key !== refused
    if (isKnown && (await this.#sealing.isFresh(conversationId, state.key)))
      return { key: await this.#sealing.keyOf(conversationId, state.key), signer }
    const outbound = await this.#sealing.keyFor(conversationId, refused)
    const isUsed = await this.#state.use(
      conversationId,
      { key: outbound.key.link.hash, by: outbound.signer.fingerprint, growth: revision },
      this.#encryptor(outbound),
      (message) => this.#isAbsent(message)
    )
    return isUsed ? outbound : null
  }

  /** Encrypt under the key of now. @returns null as `current` and `seal` do */
  async encryptWith<T>(
    conversationId: string,
    seal: (counter: CounterId, encrypt: Encrypt) => Promise<T | null>
  ): Promise<T | null> {
    const outbound = await this.current(conversationId)
    if (outbound === null) return null
    const { key, signer } = outbound
    const counter = { conversationId, key: key.link.hash, signingKey: signer.fingerprint }
    return seal(counter, this.#encryptor(outbound))
  }

  /** Ask the server for the newest key: nobody can encrypt a message again that the caller posts. */
  async look(conversationId: string): Promise<void> {
    await this.#rosters.sync(conversationId)
  }

  /**
   * The first of the queued messages that can be posted as they are, all under one key. The others have to be
   * encrypted again: their device was replaced, or nothing may leave under their key any more. Messages that
   * the server may have are not changed.
   */
  async ready(conversationId: string, queued: readonly QueuedMessage[]): Promise<QueuedMessage[]> {
    const ready: QueuedMessage[] = []
    let isKeyChecked = false
    for (const message of queued) {
      if (message.by !== this.signingKey) break
      if (message.sealed.key !== queued[0]!.sealed.key) break
      if (this.#absent.has(message.sealed.signature)) {
        if (!isKeyChecked && !(await this.#mayLeave(conversationId, message))) break
        isKeyChecked = true
      }
      ready.push(message)
    }
    return ready
  }

  /** Remembers of each message that it has not left this process. */
  #encryptor({ key, signer }: Outbound): Encrypt {
    const encrypt = encryptor(signer, key)
    return async (draft, n) => {
      const message = await encrypt(draft, n)
      this.#absent.add(message.sealed.signature)
      return message
    }
  }

  /**
   * An empty message under the number of one that is given up.
   *
   * @returns null if that was empty, too, or its device was replaced
   */
  async emptied(conversationId: string, message: QueuedMessage): Promise<QueuedMessage | null> {
    const draft = { id: crypto.randomUUID(), content: { type: 'void' } as const, sentAt: message.sentAt }
    const key = await this.#sealing.keyOf(conversationId, message.sealed.key)
    const signer = this.#signer
    if (message.content.type === 'void' || signer.fingerprint !== message.by) return null
    const encrypt = this.#encryptor({ key, signer })
    return { ...message, ...draft, ...(await encrypt(draft, message.n)) }
  }

  /** From now on the server may have this message. */
  markInFlight({ signature }: NewMessage): void {
    this.#absent.delete(signature)
  }

  /** The server has said that it does not have this message, nor will it take it. */
  markRefused({ signature }: NewMessage): void {
    this.#absent.add(signature)
  }

  #isAbsent({ by, sealed }: QueuedMessage): boolean {
    return by !== this.signingKey || this.#absent.has(sealed.signature)
  }

  /** Asks again only if a chain has grown since the last time. */
  async #mayLeave(conversationId: string, { sealed }: QueuedMessage): Promise<boolean> {
    const revision = await chainRevision(this.#store)
    const state = await this.#state.get(conversationId)
    if (state?.key === sealed.key && state.growth === revision) return true
    if (!(await this.#sealing.mayLeave(conversationId, sealed.key))) return false
    await this.#state.confirm(conversationId, sealed.key, revision)
    return true
  }

  /** Fingerprint of the signing key of this device. */
  get signingKey(): string {
    return this.#signer.fingerprint
  }

  get #signer(): Signer {
    return this.#me.active().device.signing
  }
}
