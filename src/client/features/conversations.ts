import { ConversationPage, type Conversation as ServedConversation } from '../../protocol/conversations.js'
import type { ConversationChains } from '../conversations/chains.js'
import { classicalDevices, toConversation } from '../conversations/info.js'
import type { FirstContact } from '../conversations/first-contact.js'
import type { VerifiedConversation } from '../conversations/record.js'
import { ChatError, withDetails, isLeft } from '../errors.js'
import type { ErasedUsers } from '../identity/erased-users.js'
import type { OwnDevice } from '../identity/own-device.js'
import { checkContent } from '../messages/content.js'
import type { TitleSearch } from '../messages/title.js'
import type { Outbox } from '../outbox/outbox.js'
import type { Api } from '../transport/api.js'
import { unlessUnsent } from './unsent.js'
import { inGroups } from '../transport/groups.js'
import { pagesOf } from '../transport/pages.js'
import type { Conversation } from '../types/conversations.js'
import type { Sent } from '../types/messages.js'
import type { ConversationCreation } from './conversation-creation.js'
import type { Membership } from './membership.js'
import { toUsername } from './username.js'

/** The user's conversations and their members. */
export class Conversations {
  readonly #api: Api
  readonly #chains: ConversationChains
  readonly #membership: Membership
  readonly #creation: ConversationCreation
  readonly #titles: TitleSearch
  readonly #outbox: Outbox
  readonly #me: OwnDevice
  readonly #contact: FirstContact
  readonly #erased: ErasedUsers
  readonly #tellHeads: () => Promise<unknown>

  /** @param tellHeads sends where chains end to the user's other devices */
  constructor(
    api: Api,
    chains: ConversationChains,
    membership: Membership,
    creation: ConversationCreation,
    titles: TitleSearch,
    outbox: Outbox,
    me: OwnDevice,
    contact: FirstContact,
    erased: ErasedUsers,
    tellHeads: () => Promise<unknown>
  ) {
    this.#api = api
    this.#chains = chains
    this.#membership = membership
    this.#creation = creation
    this.#titles = titles
    this.#outbox = outbox
    this.#me = me
    this.#contact = contact
    this.#erased = erased
    this.#tellHeads = tellHeads
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
    for await (const { items } of pagesOf(this.#api, '/v1/conversations?limit=200', ConversationPage)) {
      await this.#erased.noteServed(items)
      for (const one of await inGroups(items, listed)) found.push(one)
    }
    return found
  }

  /** @throws `conversation-not-found` (`refused`) */
  async get(id: string): Promise<Conversation> {
    try {
      return await this.#toPublic((await this.#chains.sync(id)).conversation)
    } catch (error) {
      // The user may have left: then this device still knows the conversation as it was.
      const known = isLeft(error) ? await this.#chains.peek(id) : undefined
      if (known === undefined) throw error
      return { ...(await this.#toPublic(known)), joined: false }
    }
  }

  /** The direct conversation with a user, created if there is none. */
  async direct(username: string): Promise<Conversation> {
    return this.#toPublic(await this.#creation.direct(toUsername(username)))
  }

  /** A new group, whose only admin is its creator. `title` is sent as its first message. */
  async createGroup(title: string, usernames: readonly string[]): Promise<Conversation> {
    const content = checkContent({ type: 'title', text: title })
    const others = new Set(usernames.map(toUsername))
    others.delete(this.#me.username)
    const { id } = await this.#creation.group([...others])
    await this.#outbox.send(id, content)
    return this.get(id)
  }

  /**
   * Add a user, or up to 100 at once, and repeat the group's title for them. If there is a direct conversation with
   * one, it says where the group's chain ends.
   */
  async add(
    id: string,
    usernames: string | readonly string[],
    role: 'admin' | 'member' = 'member'
  ): Promise<Conversation> {
    const names = [usernames].flat().map(toUsername)
    const conversation = await this.#membership.add(id, names, role)
    for (const name of names) await unlessUnsent(this.#welcome(name, conversation))
    await this.#repeatTitle(conversation)
    return this.#toPublic(conversation)
  }

  /** Remove a member, or up to 100 at once: all are out before a session key is made. */
  async remove(id: string, usernames: string | readonly string[]): Promise<Conversation> {
    const names = [usernames].flat().map(toUsername)
    return this.#toPublic(await this.#membership.remove(id, names))
  }

  async setRole(id: string, username: string, role: 'admin' | 'member'): Promise<Conversation> {
    return this.#toPublic(await this.#membership.setRole(id, toUsername(username), role))
  }

  /** Renew the membership of a user who has reset, and whose new identity was accepted. */
  async renew(id: string, username: string): Promise<Conversation> {
    const conversation = await this.#membership.renew(id, toUsername(username))
    await this.#repeatTitle(conversation)
    return this.#toPublic(conversation)
  }

  /** @throws `last-admin` (`usage`) if others are in, and nobody else is an admin */
  async leave(id: string): Promise<void> {
    await this.#membership.leave(id)
  }

  /** From now on messages are deleted after this number of seconds; 0 keeps them. */
  async setTimer(id: string, messageTtl: number): Promise<Conversation> {
    return this.#toPublic(await this.#membership.setTimer(id, messageTtl))
  }

  /**
   * Take the conversation's chain as the server shows it, with all the identities that it names, although
   * this device knows another one, or has not accepted one of them.
   *
   * @param head the newest statement, as an error or `get` has named it
   * @throws `other-head` (`usage`) if the chain ends elsewhere
   */
  async accept(id: string, head: string): Promise<Conversation> {
    const conversation = await this.#chains.accept(id, head)
    await unlessUnsent(this.#tellHeads())
    return this.#toPublic(conversation)
  }

  /** The devices for whose sake the conversation is not post-quantum: those without a KEM key. */
  async classicalDevices(id: string): Promise<{ username: string; deviceId: string }[]> {
    return classicalDevices(await this.#chains.get(id), await this.#chains.users(id))
  }

  /**
   * A new group with the same title, and the same members as far as they have accounts, whose only admin is its creator: for a group whose admins
   * can't act any more. The old one is told.
   */
  async recreate(id: string): Promise<Conversation> {
    const { title, members } = await this.#toPublic(await this.#chains.get(id))
    const names = members.filter(({ erased }) => erased !== true).map(({ username }) => username)
    const next = await this.createGroup(title ?? 'group', names)
    await this.#outbox.send(id, { type: 'text', text: `This group goes on as ${next.id}.` })
    return next
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
  async #verified({ id, kind, head, request }: ServedConversation): Promise<Conversation> {
    try {
      await this.#contact.learn(id, request, (await this.#chains.peekReadable(id)) !== undefined)
      return await this.#toPublic((await this.#chains.sync(id, head)).conversation)
    } catch (error) {
      if (!(error instanceof ChatError) || error.kind !== 'untrusted') throw error
      const known = await this.#chains.peekReadable(id)
      const shown =
        known === undefined
          ? { id, kind, title: null, members: [], joined: true, head: '-', messageTtl: 0, request }
          : await this.#toPublic(known)
      const heads = { known: shown.head, served: head }
      return { ...shown, trouble: withDetails(error, { heads }) as ChatError }
    }
  }

  /** @param lastPosition position of the newest event, by the server's word */
  async #titled(conversation: Conversation, lastPosition: number): Promise<Conversation> {
    const { id, kind, joined, request, trouble } = conversation
    if (kind !== 'group' || !joined || request !== null || trouble !== undefined) return conversation
    return { ...conversation, title: await this.#titles.read(id, lastPosition) }
  }

  /** Who has just come in reads no earlier message that names the group. */
  async #repeatTitle({ id }: VerifiedConversation): Promise<void> {
    const repeat = async (): Promise<void> => {
      const text = await this.#titles.read(id)
      if (text !== null) await this.#outbox.send(id, { type: 'title', text })
    }
    await unlessUnsent(repeat())
  }

  async #welcome(username: string, { id, chain }: VerifiedConversation): Promise<void> {
    const direct = await this.#creation.knownDirect(username)
    if (direct === undefined) return
    const { sequence, head } = chain
    await this.#outbox.send(direct.id, { type: 'welcome', conversation: id, sequence, head })
  }

  async #toPublic(conversation: VerifiedConversation): Promise<Conversation> {
    const users = await this.#chains.users(conversation.id)
    const request = await this.#contact.request(conversation.id)
    return this.#erased.marked(toConversation(conversation, users, this.#me.username, request))
  }
}
