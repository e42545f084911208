import { ConversationPage, type Conversation as ServedConversation } from '../../protocol/conversations.js'
import type { MembershipChanges } from '../conversations/change.js'
import type { ConversationChains } from '../conversations/chains.js'
import { toConversation } from '../conversations/info.js'
import type { StoredConversation } from '../conversations/record.js'
import { ChatError, RefusedError } from '../errors.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { UserChains } from '../identity/user-chains.js'
import { checkContent } from '../messages/content.js'
import type { TitleSearch } from '../messages/title.js'
import type { Outbox } from '../outbox/outbox.js'
import type { Api } from '../transport/api.js'
import { inGroups } from '../transport/groups.js'
import { pagesOf } from '../transport/pages.js'
import type { Conversation } from '../types/conversations.js'
import type { Sent } from '../types/messages.js'
import type { ConversationCreation } from './conversation-creation.js'

/** The user's conversations and their members. */
export class Conversations {
  readonly #api: Api
  readonly #users: UserChains
  readonly #chains: ConversationChains
  readonly #changes: MembershipChanges
  readonly #creation: ConversationCreation
  readonly #titles: TitleSearch
  readonly #outbox: Outbox
  readonly #me: OwnDevice

  constructor(
    api: Api,
    users: UserChains,
    chains: ConversationChains,
    changes: MembershipChanges,
    creation: ConversationCreation,
    titles: TitleSearch,
    outbox: Outbox,
    me: OwnDevice
  ) {
    this.#api = api
    this.#users = users
    this.#chains = chains
    this.#changes = changes
    this.#creation = creation
    this.#titles = titles
    this.#outbox = outbox
    this.#me = me
  }

  /**
   * All conversations that the user is in, verified.
   *
   * @param options.readTitles also read what groups are called now, as `readTitle` does: one request more for
   *   each group in which something has happened since its title was read
   */
  async list({ readTitles = false }: { readTitles?: boolean } = {}): Promise<Conversation[]> {
    const listed = async (served: ServedConversation) => {
      const conversation = await this.#verified(served)
      return readTitles ? this.#titled(conversation, served.lastPosition) : conversation
    }
    const found: Conversation[] = []
    for await (const { items } of pagesOf(this.#api, '/v1/conversations?limit=200', ConversationPage))
      found.push(...(await inGroups(items, listed)))
    return found
  }

  /** @throws `conversation-not-found` (`refused`) */
  async get(id: string): Promise<Conversation> {
    try {
      return await this.#toPublic((await this.#chains.sync(id)).conversation)
    } catch (error) {
      // The user may have left: then this device still knows the conversation as it was.
      const known =
        error instanceof RefusedError && error.status === 404 ? await this.#chains.peek(id) : undefined
      if (known === undefined) throw error
      return { ...(await this.#toPublic(known)), joined: false }
    }
  }

  /** The direct conversation with a user, created if there is none. */
  async direct(username: string): Promise<Conversation> {
    return this.#toPublic(await this.#creation.direct(username.toLowerCase()))
  }

  /** A new group, whose only admin is its creator. `title` is sent as its first message. */
  async createGroup(title: string, usernames: readonly string[]): Promise<Conversation> {
    const content = checkContent({ type: 'title', text: title })
    const others = new Set(usernames.map((username) => username.toLowerCase()))
    others.delete(this.#me.username)
    const { id } = await this.#creation.group([...others])
    await this.#outbox.send(id, content)
    return this.get(id)
  }

  async add(id: string, username: string, role: 'admin' | 'member' = 'member'): Promise<Conversation> {
    return this.#toPublic(await this.#changes.add(id, username.toLowerCase(), role))
  }

  async remove(id: string, username: string): Promise<Conversation> {
    return this.#toPublic(await this.#changes.remove(id, username.toLowerCase()))
  }

  async setRole(id: string, username: string, role: 'admin' | 'member'): Promise<Conversation> {
    return this.#toPublic(await this.#changes.setRole(id, username.toLowerCase(), role))
  }

  /** Renew the membership of a user who has reset, and whose new identity was accepted. */
  async renew(id: string, username: string): Promise<Conversation> {
    return this.#toPublic(await this.#changes.renew(id, username.toLowerCase()))
  }

  async leave(id: string): Promise<void> {
    await this.#changes.leave(id)
  }

  async rename(id: string, title: string): Promise<Sent> {
    return this.#outbox.send(id, checkContent({ type: 'title', text: title }))
  }

  /**
   * A group's title now, for programs that do not follow its events: reads the messages since the last call.
   *
   * @returns null if no message that this device can read gives a title
   */
  async readTitle(id: string): Promise<string | null> {
    return this.#titles.read(id)
  }

  /** One whose chain is not valid is returned as far as it was known, with the error. */
  async #verified({ id, kind, head }: ServedConversation): Promise<Conversation> {
    try {
      return await this.#toPublic((await this.#chains.sync(id, head)).conversation)
    } catch (error) {
      if (!(error instanceof ChatError) || error.kind !== 'untrusted') throw error
      const known = await this.#chains.peek(id)
      const shown =
        known === undefined
          ? { id, kind, title: null, members: [], joined: true }
          : await this.#toPublic(known)
      return { ...shown, trouble: error }
    }
  }

  /** @param lastPosition position of the newest event, by the server's word */
  async #titled(conversation: Conversation, lastPosition: number): Promise<Conversation> {
    const { id, kind, joined, trouble } = conversation
    if (kind === 'direct' || !joined || trouble !== undefined) return conversation
    return { ...conversation, title: await this.#titles.read(id, lastPosition) }
  }

  #toPublic(stored: StoredConversation): Promise<Conversation> {
    return toConversation(stored, this.#users, this.#me.username)
  }
}
