import type { ChatClient as Chat } from '../../client/index.js'

/** Of a large group so many are asked for. */
const MOST_ASKED = 100

/** Who is online, as far as is known. */
export class Presence {
  readonly #chat: Chat
  readonly #online = new Set<string>()

  constructor(chat: Chat) {
    this.#chat = chat
  }

  /** Ask the server about these users. */
  async ask(usernames: readonly string[]): Promise<void> {
    const found = await this.#chat.presence(usernames.slice(0, MOST_ASKED))
    for (const one of found) this.take(one)
  }

  take({ username, online }: { username: string; online: boolean }): void {
    if (online) this.#online.add(username)
    else this.#online.delete(username)
  }

  has(username: string): boolean {
    return this.#online.has(username)
  }
}
