import type { KnownUsers } from '../conversations/chain-users.js'
import type { ConversationChains } from '../conversations/chains.js'
import { readSight } from '../conversations/key-sight.js'
import type { VerifiedConversation } from '../conversations/record.js'
import type { Signer } from '../../crypto/statements.js'
import { ChatError } from '../errors.js'
import type { DeviceKeys } from '../identity/device-keys.js'
import type { OwnChain } from '../identity/own-chain.js'
import type { Store } from '../stores/store.js'
import type { SealingConditions } from './conditions.js'
import type { Change } from './create.js'
import type { ChainRequests } from './requests.js'
import { staleSide } from './stale-side.js'
import { lacksKey, type SessionKeys, type UsableKey } from './store.js'

/** Session keys that are made before one message. Each is out of date at once only if others are fast. */
const MAX_RENEWALS = 3

/** How long a session key is used: whichever ends first. */
export interface KeyLimits {
  messages: number
  ageMs: number
}

/** Under which session key this client seals, and whether it may (protocol, rule 8). */
export class Sealing {
  readonly #store: Store
  readonly #own: OwnChain
  readonly #chains: ConversationChains
  readonly #conditions: SealingConditions
  readonly #keys: SessionKeys
  readonly #requests: ChainRequests
  readonly #now: () => number
  readonly #limits: KeyLimits

  constructor(
    store: Store,
    own: OwnChain,
    chains: ConversationChains,
    conditions: SealingConditions,
    keys: SessionKeys,
    requests: ChainRequests,
    now: () => number,
    limits: KeyLimits
  ) {
    this.#store = store
    this.#own = own
    this.#chains = chains
    this.#conditions = conditions
    this.#keys = keys
    this.#requests = requests
    this.#now = now
    this.#limits = limits
  }

  /**
   * The newest key of the chain, if this client may seal under it; else a new one, which is judged in the same way:
   * others may have gone on meanwhile.
   *
   * @param refused hash of the key that the server does not take any more
   * @returns the key, and the keys to sign with: those of a device in its roster, though a reset may replace it soon
   * @throws {ChatError} `identity-changed`, `refused`, `untrusted`; `unreachable`, also if others change the
   *   conversation all the time
   */
  async keyFor(id: string, refused?: string): Promise<{ key: UsableKey; signer: Signer }> {
    for (let renewals = 0; ; renewals++) {
      const { conversation, users, device } = await this.#judged(id)
      const { hash } = conversation.chain.key
      const key = hash === refused ? null : await this.#usable(conversation, users, device)
      // The server may have answered late.
      if (key !== null && (await this.mayLeave(id, hash))) return { key, signer: device.signing }
      if (renewals === MAX_RENEWALS)
        throw new ChatError('unreachable', 'busy-chain', 'Others change the conversation all the time.')
      await this.#renew(id, hash)
    }
  }

  /** Make a session key, unless another member has made one meanwhile. @param spent hash of the one that was in use */
  async #renew(id: string, spent: string): Promise<void> {
    const decide = async (
      now: VerifiedConversation,
      users: KnownUsers
    ): Promise<readonly Change[] | null> => {
      const { device } = await this.#own.requireActive()
      return now.chain.key.hash !== spent && (await this.#usable(now, users, device)) !== null ? null : []
    }
    await this.#requests.change(id, decide, { isCaused: false })
  }

  /** A key that was in use before. */
  keyOf(id: string, keyHash: string): Promise<UsableKey> {
    return this.#keys.byHash(id, keyHash)
  }

  /** Whether a key that was good stays so, as long as no chain grows. */
  async isFresh(id: string, keyHash: string): Promise<boolean> {
    await this.#own.requireActive()
    return !(await this.#isSpent(id, keyHash))
  }

  /** Whether what was sealed under this key may still leave. */
  async mayLeave(id: string, keyHash: string): Promise<boolean> {
    const { conversation, users, device } = await this.#judged(id)
    return conversation.chain.key.hash === keyHash && (await this.#isGood(conversation, users, device))
  }

  /** A conversation in which something may be sealed now, and the own device. */
  async #judged(id: string): Promise<{
    conversation: VerifiedConversation
    users: KnownUsers
    device: DeviceKeys
  }> {
    await this.#own.requireActive()
    await this.#conditions.lookAgain(id)
    await this.#conditions.require(await this.#chains.get(id), await this.#chains.users(id))
    // Each look above may have shown that a device is out.
    const { device } = await this.#own.requireActive()
    return { conversation: await this.#chains.get(id), users: await this.#chains.users(id), device }
  }

  async #usable(
    conversation: VerifiedConversation,
    users: KnownUsers,
    device: DeviceKeys
  ): Promise<UsableKey | null> {
    if (!(await this.#isGood(conversation, users, device))) return null
    try {
      return await this.#keys.byHash(conversation.id, conversation.chain.key.hash)
    } catch (error) {
      // Its maker has made it wrong, or not for this device: another key mends that.
      if (error instanceof ChatError && (error.kind === 'untrusted' || lacksKey(error))) return null
      throw error
    }
  }

  /** @param device the own one, which is to sign */
  async #isGood(conversation: VerifiedConversation, users: KnownUsers, device: DeviceKeys): Promise<boolean> {
    if (hasMoved(conversation, users)) return false
    if (staleSide(conversation, users, device.username) !== undefined) return false
    const { history, chain, id } = conversation
    if (history.rosterDevices(chain.key, device.signing.fingerprint, users).length !== 1) return false
    return !(await this.#isSpent(id, chain.key.hash))
  }

  async #isSpent(id: string, hash: string): Promise<boolean> {
    const sight = await readSight(this.#store, id)
    if (sight?.hash !== hash) return true
    return sight.count >= this.#limits.messages || this.#now() - sight.at >= this.#limits.ageMs
  }
}

/** Whether members or their chains have moved since the newest key was made. */
export function hasMoved({ chain }: VerifiedConversation, users: KnownUsers): boolean {
  if (chain.sequence !== chain.key.sequence) return true
  for (const [username, { state }] of chain.members)
    // The person may have taken another chain of the same length.
    if (users.get(username)?.chain.head !== state.head) return true
  return false
}
