import type { ChatClient } from '../../client/index.js'

/** Members of a large group beyond this number are not asked for. */
const MAX_USERS = 100

/** The users that are online, as far as known. */
export class Presence {
  readonly #chat: ChatClient
  readonly #online = new Set<string>()

  constructor(chat: ChatClient) {
    this.#chat = chat
  }

  /** Ask the server about these users. */
  async fetch(usernames: readonly string[]): Promise<void> {
    const found = await this.#chat.presence(usernames.slice(0, MAX_USERS))
    for (const one of found) this.update(one)
  }

  /** Nobody tells it who is online without a connection. */
  clear(): void {
    this.#online.clear()
  }

  update({ username, online }: { username: string; online: boolean }): void {
    if (online) this.#online.add(username)
    else this.#online.delete(username)
  }

  isOnline(username: string): boolean {
    return this.#online.has(username)
  }
}
