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
  /** More of that message. */
  titledBy?: { counter: string; n: number; isMarked: boolean }
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

/** A title, and the message that gives it. */
export interface GivenTitle {
  title: string
  position: number
  /** Names the sending device and the session key. */
  counter: string
  n: number
  /** It is late or departed. */
  isMarked: boolean
}

/** Store the title that a message gives, if it counts more than the one before. */
export async function recordTitle(tx: StoreTransaction, id: string, given: GivenTitle): Promise<void> {
  const stored = await tx.get<StoredConversation>(recordName(id))
  if (stored === undefined) return
  const next = withTitle(stored, given)
  if (next !== stored) tx.set(recordName(id), next)
}

/** The conversation with the title that counts: its own one, or the given one. */
export function withTitle(stored: StoredConversation, given: GivenTitle): StoredConversation {
  const known = titleOf(stored)
  const { title, position, ...by } = newerTitle(known, given)
  if (known?.title === title && known.position === position && known.n === by.n) return stored
  return { ...stored, title, titledAt: position, titledBy: by }
}

/**
 * The title that counts, of two. One that is late or departed takes no other's place: it was said before what
 * stands before it, or may have been written afterwards. Titles of one device are in the order of `n`.
 */
export function newerTitle(known: GivenTitle | null, given: GivenTitle): GivenTitle {
  if (known === null) return given
  if (known.isMarked !== given.isMarked) return known.isMarked ? given : known
  if (known.counter !== given.counter) return known.position < given.position ? given : known
  return { ...(known.n < given.n ? given : known), position: Math.max(known.position, given.position) }
}

function titleOf({ title, titledAt, titledBy }: StoredConversation): GivenTitle | null {
  if (title === null) return null
  return { title, position: titledAt, ...(titledBy ?? { counter: '', n: 0, isMarked: false }) }
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
