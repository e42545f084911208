import type { ConversationChain } from '../../protocol/conversation-chain.js'
import type { ConversationStatement, MemberLine } from '../../protocol/statements.js'
import type { StoreTransaction } from '../stores/store.js'
import { untrusted } from '../errors.js'

/** A conversation's verified chain as the store keeps it. */
export type StoredConversation = {
  id: string
  kind: 'direct' | 'group'
  sequence: number
  head: string
  /** In the order of standing. */
  members: { [Name in keyof MemberLine]: MemberLine[Name] }[]
  title: string | null
  /** Position of the message that gave the title. */
  titledAt: number
  /** Up to this position all was read in search of a title. */
  titleReadTo?: number
}

/** One verified statement of a chain. */
export type Link = {
  hash: string
  actor: string
  statement: ConversationStatement
  /** Of a `conversation-add`: whether the member was there, under an older root. */
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

export function toRoom(
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
    titleReadTo: before?.titleReadTo ?? 0
  }
}

export function recordName(id: string): string {
  return `room/${id}`
}

/** The message at this position has given the conversation a title. */
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

/** The members that the server lists have to be those of the chain. @throws {ChatError} `ghost-member` (`untrusted`) */
export function requireSameMembers(room: StoredConversation, shown: readonly { username: string }[]): void {
  const names = (members: readonly { username: string }[]) => members.map(({ username }) => username).sort()
  if (names(room.members).join() !== names(shown).join())
    throw untrusted('ghost-member', 'The server lists other members than the conversation’s chain.')
}

/** The roots of the members, as verified links up to the one with this hash leave them; null if it is not there. */
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
