import type { ChatClient, ChatEvent, Conversation } from '../../client/index.js'
import { sanitize } from '../terminal/sanitize.js'

type Named = Pick<Conversation, 'id' | 'kind' | 'title'>

/**
 * A conversation in a line of text: the other user, or a group's title in quotes. Without them, a title could
 * pass for a user or for a part of the line. A group without a title has its id. No user has a name with a blank.
 */
export function conversationName({ id, kind, title }: Named): string {
  if (kind === 'self') return 'your devices'
  if (title === null) return sanitize(id)
  return kind === 'direct' ? sanitize(title) : `"${sanitize(title)}"`
}

/** Whether people talk there. The conversation of the user's own devices is for the devices. */
export function isWithOthers({ kind }: Pick<Conversation, 'kind'>): boolean {
  return kind !== 'self'
}

/** The conversations that events have named. */
export class TitleCache {
  readonly #chat: ChatClient
  readonly #known = new Map<string, Named>()

  constructor(chat: ChatClient) {
    this.#chat = chat
  }

  /** Learn the title that this event needs. */
  async update(event: ChatEvent): Promise<void> {
    if (event.type === 'conversation') this.#known.set(event.conversation.id, event.conversation)
    const id = 'conversationId' in event ? event.conversationId : undefined
    if (id === undefined) return
    const isRenamed = event.type === 'message' && event.content.type === 'title'
    if (!isRenamed && this.#known.has(id)) return
    // The event is shown with or without a title.
    const found = await this.#chat.conversations.get(id).catch(() => undefined)
    if (found !== undefined) this.#known.set(id, found)
  }

  /** The conversation as `conversationName` writes it. */
  of(id: string): string {
    return conversationName(this.#known.get(id) ?? { id, kind: 'group', title: null })
  }

  isDirect(id: string): boolean {
    return this.#known.get(id)?.kind === 'direct'
  }
}
