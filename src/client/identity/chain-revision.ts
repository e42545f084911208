import type { StoreReader, StoreTransaction } from '../stores/store.js'

const NAME = 'growth'

/**
 * How often any process has extended a chain in this store. Facts derived from chains hold while this number
 * stays.
 */
export async function chainRevision(store: StoreReader): Promise<number> {
  return (await store.get<number>(NAME)) ?? 0
}

/** Call it in the transaction that extends a chain. */
export async function bumpChainRevision(tx: StoreTransaction): Promise<void> {
  tx.set(NAME, (await chainRevision(tx)) + 1)
}
