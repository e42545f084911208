import { ChatError } from '../errors.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import { bumpChainRevision } from './chain-revision.js'

/** Why a chain is in doubt: `server-behind` or `forked-chain`, as the person was told it. */
export type Doubt = {
  /** Another one for each look that has raised or confirmed it. */
  id: string
  code: string
  message: string
  hint?: string
  heads?: { known: string; served: string }
  about?: { username?: string; conversationId?: string }
}

/**
 * Chains of users and of conversations of which a look has shown less than this client has, or something else.
 * Stored: a doubt outlives a restart, and holds for all processes. It ends with a later look that shows the whole
 * chain, or when the person accepts another one.
 */
export class ChainDoubts {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** @param name a username, or a conversation's id */
  of(name: string): Promise<Doubt | undefined> {
    return this.#store.get<Doubt>(recordName(name))
  }

  /** The same as an error. */
  async trouble(name: string): Promise<ChatError | undefined> {
    const doubt = await this.of(name)
    if (doubt === undefined) return undefined
    const { id: _, code, message, ...details } = doubt
    return new ChatError('untrusted', code, message, details)
  }

  /** Who seals has to find out at once: what was good at the revision before is judged again. */
  async note(name: string, { code, message, hint, heads, about }: ChatError): Promise<void> {
    await this.#store.update(async (tx) => {
      const before = await tx.get<Doubt>(recordName(name))
      const doubt: Doubt = {
        id: crypto.randomUUID(),
        code,
        message,
        ...(hint !== undefined && { hint }),
        ...(heads !== undefined && { heads: { ...heads } }),
        ...(about !== undefined && { about: { ...about } })
      }
      tx.set(recordName(name), doubt)
      if (before?.code !== code) await bumpChainRevision(tx)
    })
  }

  /**
   * A look has shown the whole chain.
   *
   * @param before the doubt when the look began: one that came later stays
   * @returns whether it is over
   */
  async settle(name: string, before: Doubt): Promise<boolean> {
    return this.#store.update(async (tx) => {
      if ((await tx.get<Doubt>(recordName(name)))?.id !== before.id) return false
      forgetDoubt(tx, name)
      await bumpChainRevision(tx)
      return true
    })
  }
}

/** The person has taken another chain in the place of the known one. */
export function forgetDoubt(tx: StoreTransaction, name: string): void {
  tx.delete(recordName(name))
}

function recordName(name: string): string {
  return `chain-doubt/${name}`
}
