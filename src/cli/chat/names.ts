import type { Conversation } from '../../client/index.js'
import { conversationName, isWithOthers } from '../output/titles.js'

type Named = Pick<Conversation, 'id' | 'kind' | 'title'>

/** The names of the conversations that a chat has heard of. */
export class ConversationNames {
  readonly #known = new Map<string, Named>()

  add(conversations: readonly Named[]): void {
    for (const { id, kind, title } of conversations) this.#known.set(id, { id, kind, title })
  }

  /** A direct conversation keeps the other user's name, whatever title they send. */
  rename(id: string, title: string): void {
    const known = this.#known.get(id)
    if (known?.kind === 'group') known.title = title
  }

  /** Whether it is a conversation with others that the chat has not heard of. */
  isNews(conversation: Named): boolean {
    return !this.#known.has(conversation.id) && isWithOthers(conversation)
  }

  /** As `conversationName` writes it. */
  of(id: string): string {
    const known = this.#known.get(id)
    if (known === undefined) return 'another conversation'
    return known.kind === 'group' && known.title === null ? 'a group without a name' : conversationName(known)
  }
}
