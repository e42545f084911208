import type { Store, StoreTransaction } from '../stores/store.js'
import type { Conversation } from '../types/conversations.js'

const PREFIX = 'erased/'

/** Users whose accounts are erased, by the server's word. Nothing is trusted more or less for it. */
export class ErasedUsers {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  note(tx: StoreTransaction, username: string): void {
    tx.set(PREFIX + username, true)
  }

  /** Note what the server says of the members of conversations. */
  async noteServed(
    served: readonly { members: readonly { username: string; erased?: boolean }[] }[]
  ): Promise<void> {
    const erased = served.flatMap(({ members }) => members.filter((member) => member.erased === true))
    const names = [...new Set(erased.map(({ username }) => username))]
    if ((await this.among(names)).size === names.length) return
    await this.#store.update((tx) => names.forEach((name) => this.note(tx, name)))
  }

  /** Those of the users who are known to be erased. */
  async among(usernames: readonly string[]): Promise<ReadonlySet<string>> {
    const known = await Promise.all(usernames.map((name) => this.#store.get<true>(PREFIX + name)))
    return new Set(usernames.filter((_, at) => known[at] === true))
  }

  /** The conversation, with its erased members marked. */
  async marked(conversation: Conversation): Promise<Conversation> {
    const erased = await this.among(conversation.members.map(({ username }) => username))
    if (erased.size === 0) return conversation
    const members = conversation.members.map((member) =>
      erased.has(member.username) ? { ...member, erased: true as const } : member
    )
    return { ...conversation, members }
  }
}
