import type { StoreReader, StoreTransaction } from '../stores/store.js'

/**
 * Conversations that an event has brought, and that were not shown yet. The chain is stored before: without this note
 * a crash in between would hide them.
 */
export function noteNews(tx: StoreTransaction, id: string): void {
  tx.set(nameOf(id), true)
}

export async function isNews(store: StoreReader, id: string): Promise<boolean> {
  return (await store.get(nameOf(id))) !== undefined
}

export function endNews(tx: StoreTransaction, id: string): void {
  tx.delete(nameOf(id))
}

function nameOf(id: string): string {
  return `news/${id}`
}
