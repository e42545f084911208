import type { ChatClient as Chat, ChatEvent, Conversation } from '../../client/index.js'

/** Groups whose titles are read at the same time. */
const AT_ONCE = 8

/** The conversations that the user is in. A group's title is said in a message: what was said since is read. */
export async function listWithTitles(chat: Chat): Promise<Conversation[]> {
  const conversations = await chat.conversations.list()
  const found: Conversation[] = []
  while (found.length < conversations.length) {
    const some = conversations.slice(found.length, found.length + AT_ONCE)
    found.push(...(await Promise.all(some.map((conversation) => withTitle(chat, conversation)))))
  }
  return found
}

/** The same for one conversation. */
export async function withTitle(chat: Chat, conversation: Conversation): Promise<Conversation> {
  const { id, kind, joined, trouble } = conversation
  if (kind === 'direct' || !joined || trouble !== undefined) return conversation
  return { ...conversation, title: await chat.conversations.readTitle(id) }
}

/** What conversations are called, as far as was asked for. */
export class TitleCache {
  readonly #chat: Chat
  readonly #titles = new Map<string, { title: string; kind: 'direct' | 'group' }>()

  constructor(chat: Chat) {
    this.#chat = chat
  }

  /** Learn what has to be known to speak of this event. */
  async update(event: ChatEvent): Promise<void> {
    if (event.type === 'conversation') this.#keep(event.conversation)
    const id = 'conversationId' in event ? event.conversationId : undefined
    if (id === undefined) return
    const isRenamed = event.type === 'message' && event.content.type === 'title'
    if (!isRenamed && this.#titles.has(id)) return
    // A name is a comfort: what it is for is shown without it, too.
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
