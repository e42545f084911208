import type { NewMessage } from '../../protocol/messages.js'
import type { Core } from '../core.js'
import { chainRevision } from '../identity/chain-revision.js'
import { KeyRotation } from '../session-keys/rotate.js'
import type { OutboxState, Seal, Sending, Waiting } from './state.js'
import { sealer } from '../messages/encrypt.js'
import type { HeldKey } from '../session-keys/store.js'

/** A session key is used for so many messages of a device, and so long, by whichever end comes first. */
const MOST_MESSAGES = 10_000
const LONGEST_MS = 7 * 24 * 3600 * 1000

/** Which session key this device sends under, and whether it is still good. */
export class OutboundKeys {
  readonly #core: Core
  readonly #state: OutboxState
  readonly #maker: KeyRotation
  /** Signatures of sealed messages that have not left this process. */
  readonly #unposted = new Set<string>()

  constructor(core: Core, state: OutboxState) {
    this.#core = core
    this.#state = state
    this.#maker = new KeyRotation(core)
  }

  /** The key to seal under for now. Whether it is still good is seen before anything leaves. */
  async current(conversationId: string): Promise<HeldKey> {
    const sending = await this.#state.get(conversationId)
    const held = sending === null ? undefined : await this.#core.keys.peek(conversationId, sending.keyId)
    return held ?? this.renew(conversationId)
  }

  /** The key that the server takes now. */
  async refreshed(conversationId: string): Promise<HeldKey> {
    const sending = await this.#state.get(conversationId)
    return this.renew(conversationId, sending !== null && this.#isSpent(sending) ? sending.keyId : undefined)
  }

  /** Take or make a new key, and seal anew under it whatever waits: the server has none of it. */
  async renew(conversationId: string, spent?: string): Promise<HeldKey> {
    const growth = await chainRevision(this.#core.store)
    const key = await this.#maker.ensureCurrent(conversationId, spent)
    await this.#state.use(conversationId, key.id, growth, this.#core.options.now(), this.sealer(key))
    return key
  }

  /**
   * Those at the beginning of what waits that can leave as they are, all under one key. The others have to be sealed
   * anew: their device was replaced, their key is used up, or does not cover exactly today's members and devices,
   * whatever the server says of it. Bytes that the server may have stay.
   */
  async ready(conversationId: string, waiting: readonly Waiting[]): Promise<Waiting[]> {
    const ready: Waiting[] = []
    let isGood = false
    for (const one of waiting) {
      if (one.by !== this.#core.identity.active().device.signing.fingerprint) break
      if (one.sealed.sessionKeyId !== waiting[0]!.sealed.sessionKeyId) break
      if (this.#unposted.has(one.sealed.signature)) {
        if (!isGood && (await this.#isOutdated(conversationId, one))) break
        isGood = true
      }
      ready.push(one)
    }
    return ready
  }

  /** Whether the key under which a message was sealed that has not left is no good any more. */
  async #isOutdated(conversationId: string, { sealed }: Waiting): Promise<boolean> {
    const growth = await chainRevision(this.#core.store)
    const sending = await this.#state.get(conversationId)
    if (sending === null || sending.keyId !== sealed.sessionKeyId) return false
    if (this.#isSpent(sending)) return true
    if (sending.growth === growth) return false
    const key = await this.#core.keys.peek(conversationId, sending.keyId)
    if (key === undefined || !(await this.#maker.covers(key))) return true
    await this.#state.confirm(conversationId, key.id, growth)
    return false
  }

  /** Seals under a key; what it seals has not left this process. */
  sealer(key: HeldKey): Seal {
    const seal = sealer(this.#core, key)
    return async (said, n) => {
      const sealing = await seal(said, n)
      this.#unposted.add(sealing.sealed.signature)
      return sealing
    }
  }

  /** From now on the server may have these bytes. */
  markInFlight({ signature }: NewMessage): void {
    this.#unposted.delete(signature)
  }

  #isSpent({ count, first, next, since }: Sending): boolean {
    const sent = count - (next - first)
    return sent >= MOST_MESSAGES || this.#core.options.now() - since >= LONGEST_MS
  }
}
