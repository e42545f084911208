import type { ConversationChain } from '../../protocol/conversation-chain.js'
import type { ConversationStatement, MemberLine } from '../../protocol/statements.js'
import type { StoreTransaction } from '../stores/store.js'
import { untrusted } from '../errors.js'

/** A conversation's verified chain as it is stored. */
export type StoredConversation = {
  id: string
  kind: 'direct' | 'group'
  sequence: number
  head: string
  /** The longest-standing member first. */
  members: { [Name in keyof MemberLine]: MemberLine[Name] }[]
  title: string | null
  /** Position of the message that gave the title. */
  titledAt: number
  /** All messages up to this position were searched for a title. */
  titleReadTo?: number
  /** The server's `lastPosition` at the last search. Only compared: it is the server's word. */
  titleSearchedAt?: number
}

/** One verified statement of a chain. */
export type Link = {
  hash: string
  actor: string
  statement: ConversationStatement
  /** For `conversation-add`: whether the user was a member already, under an older root. */
  renews?: boolean
}

export function toChain({ kind, sequence, head, members }: StoredConversation): ConversationChain {
  return {
    kind,
    sequence,
    head,
    members: new Map(members.map(({ username, role, root }) => [username, { role, root }]))
  }
}

export function toStored(
  id: string,
  chain: ConversationChain,
  before: StoredConversation | null
): StoredConversation {
  return {
    id,
    kind: chain.kind,
    sequence: chain.sequence,
    head: chain.head,
    members: [...chain.members].map(([username, { role, root }]) => ({ username, role, root })),
    title: before?.title ?? null,
    titledAt: before?.titledAt ?? 0,
    titleReadTo: before?.titleReadTo ?? 0,
    ...(before?.titleSearchedAt !== undefined && { titleSearchedAt: before.titleSearchedAt })
  }
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

/**
 * The members that the server lists have to be those of the chain. @throws {ChatError} `ghost-member`
 * (`untrusted`)
 */
export function requireSameMembers(
  conversation: StoredConversation,
  shown: readonly { username: string }[]
): void {
  const names = (members: readonly { username: string }[]) => members.map(({ username }) => username).sort()
  if (names(conversation.members).join() !== names(shown).join())
    throw untrusted('ghost-member', 'The server lists other members than the conversation’s chain.')
}

/**
 * The members' roots after the link with hash `head`; null if no link has it. @param links of one chain, in
 * order
 */
export function rootsAt(links: readonly Link[], head: string): Map<string, string> | null {
  const roots = new Map<string, string>()
  for (const { hash, actor, statement } of links) {
    if (statement.kind === 'conversation-create')
      for (const { username, root } of statement.members) roots.set(username, root)
    else if (statement.kind === 'conversation-add')
      roots.set(statement.member.username, statement.member.root)
    else if (statement.kind === 'conversation-remove') roots.delete(statement.username)
    else if (statement.kind === 'conversation-leave') roots.delete(actor)
    if (hash === head) return roots
  }
  return null
}
