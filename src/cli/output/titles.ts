import type { ChatClient, ChatEvent } from '../../client/index.js'

/** The titles of conversations that events have named. */
export class TitleCache {
  readonly #chat: ChatClient
  readonly #titles = new Map<string, { title: string; kind: 'direct' | 'group' }>()

  constructor(chat: ChatClient) {
    this.#chat = chat
  }

  /** Learn the title that this event needs. */
  async update(event: ChatEvent): Promise<void> {
    if (event.type === 'conversation') this.#keep(event.conversation)
    const id = 'conversationId' in event ? event.conversationId : undefined
    if (id === undefined) return
    const isRenamed = event.type === 'message' && event.content.type === 'title'
    if (!isRenamed && this.#titles.has(id)) return
    // The event is shown with or without a title.
    const found = await this.#chat.conversations.get(id).catch(() => undefined)
    if (found !== undefined) this.#keep(found)
  }

  of(conversationId: string): string {
    return this.#titles.get(conversationId)?.title ?? conversationId
  }

  isDirect(conversationId: string): boolean {
    return this.#titles.get(conversationId)?.kind === 'direct'
  }

  #keep({ id, title, kind }: { id: string; title: string | null; kind: 'direct' | 'group' }): void {
    this.#titles.set(id, { title: title ?? id, kind })
  }
}
