import type { ChainRequest, ConversationChain } from '../../protocol/conversation-chain.js'
import type { ConversationHistory } from '../../protocol/conversation-history.js'
import type { ConversationKind } from '../../protocol/statements.js'
import type { StoreTransaction } from '../stores/store.js'

/** A conversation as it is stored, beside the statements of its chain. */
export type StoredConversation = {
  id: string
  kind: ConversationKind
  /** The end of the verified chain. */
  sequence: number
  head: string
  /** The person has taken the chain up to this statement as it is, with all the roots that it names. */
  acceptedTo: number
  title: string | null
  /** Position of the message that gave the title. */
  titledAt: number
  /** All messages up to this position were searched for a title. */
  titleReadTo?: number
  /** The server's `lastPosition` at the last search. Only compared: it is the server's word. */
  titleSearchedAt?: number
}

/** A conversation with its verified chain. */
export interface VerifiedConversation {
  id: string
  stored: StoredConversation
  history: ConversationHistory
  chain: ConversationChain
}

/** A request that was new to this client. */
export interface TakenRequest {
  request: ChainRequest
  before: ConversationChain | null
  after: ConversationChain
}

export function toStored(
  { id, kind, sequence, head }: ConversationChain,
  before: StoredConversation | undefined
): StoredConversation {
  return { acceptedTo: 0, title: null, titledAt: 0, ...before, id, kind, sequence, head }
}

export function recordName(id: string): string {
  return `room/${id}`
}

/** Store the title that the message at this position gives; an older message's title changes nothing. */
export async function recordTitle(
  tx: StoreTransaction,
  id: string,
  title: string,
  position: number
): Promise<void> {
  const stored = await tx.get<StoredConversation>(recordName(id))
  if (stored !== undefined && stored.titledAt < position)
    tx.set(recordName(id), { ...stored, title, titledAt: position })
}

/**
 * Store how far the messages were searched for a title.
 *
 * @param readTo all messages up to this position were searched
 * @param lastPosition of the conversation when it was searched, if the server had named it
 */
export async function recordTitleSearch(
  tx: StoreTransaction,
  id: string,
  readTo: number,
  lastPosition: number | undefined
): Promise<void> {
  const stored = await tx.get<StoredConversation>(recordName(id))
  if (stored === undefined) return
  const titleReadTo = Math.max(stored.titleReadTo ?? 0, readTo)
  const titleSearchedAt = lastPosition ?? stored.titleSearchedAt
  if (titleReadTo !== stored.titleReadTo || titleSearchedAt !== stored.titleSearchedAt)
    tx.set(recordName(id), {
      ...stored,
      titleReadTo,
      ...(titleSearchedAt !== undefined && { titleSearchedAt })
    })
}
