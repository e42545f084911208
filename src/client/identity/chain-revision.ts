import type { StoreReader, StoreTransaction } from '../stores/store.js'

const NAME = 'growth'

/**
 * How often a verified chain has grown in this store, by whatever process: what was derived from chains holds as long
 * as this number stays.
 */
export async function chainRevision(store: StoreReader): Promise<number> {
  return (await store.get<number>(NAME)) ?? 0
}

/** A chain has grown. Belongs into the transaction that keeps it. */
export async function bumpChainRevision(tx: StoreTransaction): Promise<void> {
  tx.set(NAME, (await chainRevision(tx)) + 1)
}
