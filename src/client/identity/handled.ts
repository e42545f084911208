import type { StoreTransaction } from '../stores/store.js'
import type { ChatEvent } from '../types/events.js'

/** The outcome of one event of the server or of this client: what to show, and what to write down once that was shown. */
export interface Handled {
  events: ChatEvent[]
  commit?: (tx: StoreTransaction) => void | Promise<void>
}
