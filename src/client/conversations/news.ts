import type { StoreReader, StoreTransaction } from '../stores/store.js'

/** A conversation that is new, or accepted with another device; a user who was blocked there, or is not any more. */
type News = `conversation/${string}` | `accepted/${string}` | `block/${string}`

/**
 * Note what an event has brought, and what is written down before it is shown. Without the note a crash in between would
 * hide it.
 */
export function noteNews(tx: StoreTransaction, news: News): void {
  tx.set(nameOf(news), true)
}

export async function isNews(store: StoreReader, news: News): Promise<boolean> {
  return (await store.get(nameOf(news))) !== undefined
}

/** It was shown. */
export function endNews(tx: StoreTransaction, news: News): void {
  tx.delete(nameOf(news))
}

function nameOf(news: News): string {
  return `news/${news}`
}
