import type { Chat, ChatEvent, Conversation } from '../client/index.js'

/** So far back a group's name is looked for. */
const LOOK_BACK = 1000

/** The conversations that the user is in. A group's name is said in a message, which is read now if it was not yet. */
export async function namedConversations(chat: Chat): Promise<Conversation[]> {
  const found: Conversation[] = []
  for (const conversation of await chat.conversations.list())
    found.push(isNameless(conversation) ? await learnName(chat, conversation) : conversation)
  return found
}

function isNameless({ kind, title, trouble }: Conversation): boolean {
  return kind === 'group' && title === null && trouble === undefined
}

async function learnName(chat: Chat, group: Conversation): Promise<Conversation> {
  for await (const item of chat.history(group.id, { limit: LOOK_BACK }))
    if (item.type === 'message' && item.content.type === 'title') return chat.conversations.get(group.id)
  return group
}

/** What conversations are called, as far as was asked for. */
export class Titles {
  readonly #chat: Chat
  readonly #known = new Map<string, { title: string; kind: 'direct' | 'group' }>()

  constructor(chat: Chat) {
    this.#chat = chat
  }

  /** Learn what has to be known to speak of this event. */
  async learn(event: ChatEvent): Promise<void> {
    if (event.type === 'conversation') this.#keep(event.conversation)
    const id = 'conversationId' in event ? event.conversationId : undefined
    if (id === undefined) return
    const isRenamed = event.type === 'message' && event.content.type === 'title'
    if (!isRenamed && this.#known.has(id)) return
    // A name is a comfort: what it is for is shown without it, too.
    const found = await this.#chat.conversations.get(id).catch(() => undefined)
    if (found !== undefined) this.#keep(found)
  }

  of(conversationId: string): string {
    return this.#known.get(conversationId)?.title ?? conversationId
  }

  isDirect(conversationId: string): boolean {
    return this.#known.get(conversationId)?.kind === 'direct'
  }

  #keep({ id, title, kind }: { id: string; title: string | null; kind: 'direct' | 'group' }): void {
    this.#known.set(id, { title: title ?? id, kind })
  }
}
