import {
  type Conversation as ConversationView,
  ConversationResponse,
  ConversationPage
} from '../../protocol/conversations.js'
import type { MemberLine } from '../../protocol/statements.js'
import { statementText } from '../../protocol/statement-texts.js'
import { signStatement, statementHash } from '../../crypto/statements.js'
import type { Conversation } from '../types/conversations.js'
import type { Sent } from '../types/messages.js'
import type { Conversations } from '../types/parts.js'
import { checkContent } from '../messages/content.js'
import type { Core } from '../core.js'
import { ChatError, RefusedError, untrusted } from '../errors.js'
import { KeyRotation } from '../session-keys/rotate.js'
import { retryOnConflict } from '../transport/retry.js'
import { pagesOf } from '../transport/pages.js'
import { changeConversation } from '../conversations/change.js'
import type { StoredConversation } from '../conversations/record.js'
import { readTitle } from '../messages/title.js'
import { toConversation } from '../conversations/info.js'

const TRIES = 4

/** The user's conversations: direct ones and groups, and who belongs to them. */
export class ConversationList implements Conversations {
  readonly #core: Core
  readonly #maker: KeyRotation

  constructor(core: Core) {
    this.#core = core
    this.#maker = new KeyRotation(core)
  }

  async list(): Promise<Conversation[]> {
    const found: Conversation[] = []
    for await (const { items } of pagesOf(this.#core.tokens, '/v1/conversations?limit=200', ConversationPage))
      for (const view of items) found.push(await this.#verified(view))
    return found
  }

  async get(id: string): Promise<Conversation> {
    try {
      return await this.#shown((await this.#core.rooms.sync(id)).room)
    } catch (error) {
      // Somebody who has left still knows what it was.
      const known =
        error instanceof RefusedError && error.status === 404 ? await this.#core.rooms.peek(id) : undefined
      if (known === undefined) throw error
      return { ...(await this.#shown(known)), joined: false }
    }
  }

  async direct(username: string): Promise<Conversation> {
    return this.#shown(await this.directRoom(username.toLowerCase()))
  }

  /** The direct conversation with a user, begun if there is none. */
  async directRoom(username: string): Promise<StoredConversation> {
    if (username === this.#core.identity.username)
      throw new ChatError('usage', 'own-username', 'A direct conversation is with somebody else.')
    for (const room of await this.#core.rooms.list())
      if (isDirectWith(room, username) && !(await this.#isOver(room))) return room
    try {
      return await this.#create('direct', [username])
    } catch (error) {
      if (!(error instanceof RefusedError) || error.code !== 'direct-exists') throw error
      const { conversationId } = error.members
      const { room } = await this.#core.rooms.sync(String(conversationId))
      if (isDirectWith(room, username)) return room
      throw untrusted('moved-conversation', 'The server names a direct conversation of others.', error)
    }
  }

  async createGroup(title: string, usernames: readonly string[]): Promise<Conversation> {
    const name = checkContent({ type: 'title', text: title })
    const others = new Set(usernames.map((username) => username.toLowerCase()))
    others.delete(this.#core.identity.username)
    const room = await this.#create('group', [...others])
    await this.#core.outbox.send(room.id, name)
    return this.get(room.id)
  }

  async add(id: string, username: string, role: 'admin' | 'member' = 'member'): Promise<Conversation> {
    return this.#admit(id, username.toLowerCase(), role)
  }

  async renew(id: string, username: string): Promise<Conversation> {
    return this.#admit(id, username.toLowerCase(), null)
  }

  async remove(id: string, username: string): Promise<Conversation> {
    const room = await changeConversation(this.#core, id, async ({ members }) =>
      members.some((member) => member.username === username.toLowerCase())
        ? { kind: 'conversation-remove', username: username.toLowerCase() }
        : null
    )
    return this.#shown(room)
  }

  async setRole(id: string, username: string, role: 'admin' | 'member'): Promise<Conversation> {
    const room = await changeConversation(this.#core, id, async ({ members }) => {
      const line = members.find((member) => member.username === username.toLowerCase())
      if (line === undefined) throw new ChatError('usage', 'not-a-member', `${username} is not a member.`)
      return line.role === role ? null : { kind: 'conversation-role', member: { ...line, role } }
    })
    return this.#shown(room)
  }

  async leave(id: string): Promise<void> {
    await changeConversation(this.#core, id, async (room) =>
      this.#core.rooms.isIn(room) ? { kind: 'conversation-leave' } : null
    )
  }

  async rename(id: string, title: string): Promise<Sent> {
    return this.#core.outbox.send(id, checkContent({ type: 'title', text: title }))
  }

  async readTitle(id: string): Promise<string | null> {
    return readTitle(this.#core, id)
  }

  /** A member's line under the user's current root, which has to be one that was accepted. */
  async #admit(id: string, username: string, role: 'admin' | 'member' | null): Promise<Conversation> {
    const { user } = await this.#core.users.sync(username)
    await this.#core.pins.requireTrusted([user])
    const room = await changeConversation(this.#core, id, async ({ members }) => {
      const line = members.find((member) => member.username === username)
      if (line === undefined && role === null)
        throw new ChatError('usage', 'not-a-member', `${username} is not a member.`)
      if (line?.root === user.root) return null
      return { kind: 'conversation-add', member: { username, role: role ?? line!.role, root: user.root } }
    })
    return this.#shown(room)
  }

  /** Both sides have begun anew: neither can speak in it any more. */
  async #isOver(room: StoredConversation): Promise<boolean> {
    const users = await Promise.all(room.members.map(({ username }) => this.#core.users.get(username)))
    return room.members.every(({ root }, at) => users[at]!.root !== root)
  }

  async #create(
    conversationKind: 'direct' | 'group',
    others: readonly string[]
  ): Promise<StoredConversation> {
    const { device } = this.#core.identity.active()
    const id = crypto.randomUUID()
    return retryOnConflict(['stale-roster', 'root-changed'], TRIES, async () => {
      const members = await this.#lines(conversationKind, others)
      const by = device.signing.fingerprint
      const chain = { conversation: id, sequence: 1, previous: '-', by }
      const text = statementText({ kind: 'conversation-create', conversationKind, members, ...chain })
      const head = await statementHash(text)
      const statement = await signStatement(text, device.signing)
      const { body: sessionKey, held } = await this.#maker.make(
        { id, head },
        await this.#maker.covered(members)
      )
      const body = { id, statement, sessionKey }
      await this.#core.tokens.call({
        method: 'POST',
        path: '/v1/conversations',
        body,
        response: ConversationResponse
      })
      const { room } = await this.#core.rooms.take(id, statement, 1)
      await this.#core.keys.hold(held)
      return room
    })
  }

  async #lines(kind: 'direct' | 'group', others: readonly string[]): Promise<MemberLine[]> {
    const me = this.#core.identity.username
    const users = []
    for (const username of [me, ...others]) users.push((await this.#core.users.sync(username)).user)
    await this.#core.pins.requireTrusted(users.slice(1))
    const lines = users.map(({ username, root }) => {
      const role = kind === 'group' && username === me ? ('admin' as const) : ('member' as const)
      return { username, role, root }
    })
    return lines.sort((a, b) => (a.username < b.username ? -1 : 1))
  }

  /** A conversation as verified; one whose chain does not stand is shown as far as it was known, with the reason. */
  async #verified({ id, kind, sequence, head }: ConversationView): Promise<Conversation> {
    const known = await this.#core.rooms.peek(id)
    if (known?.sequence === sequence && known.head === head) return this.#shown(known)
    try {
      return await this.#shown((await this.#core.rooms.sync(id)).room)
    } catch (error) {
      if (!(error instanceof ChatError) || error.kind !== 'untrusted') throw error
      const shown =
        known === undefined ? { id, kind, title: null, members: [], joined: true } : await this.#shown(known)
      return { ...shown, trouble: error }
    }
  }

  #shown(room: StoredConversation): Promise<Conversation> {
    return toConversation(this.#core, room)
  }
}

function isDirectWith({ kind, members }: StoredConversation, username: string): boolean {
  return kind === 'direct' && members.some((member) => member.username === username)
}
