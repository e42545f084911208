import {
  type Conversation,
  ConversationResponse,
  Roster,
  SessionKeyResponse,
  type NewSessionKey
} from '../../protocol/conversations.js'
import { commitment, newSessionKey, rosterHash, wrap } from '../../crypto/session-keys.js'
import { signStatement } from '../../crypto/statements.js'
import { statementText } from '../../protocol/statement-texts.js'
import type { Core } from '../core.js'
import { ChatError, isRefusal, untrusted } from '../errors.js'
import { retryOnConflict } from '../transport/retry.js'
import { sleep } from '../transport/abort.js'
import { inGroups, type StoredKey } from './verify.js'
import { requireSameMembers, type StoredConversation } from '../conversations/record.js'
import type { HeldKey } from './store.js'
import { renewalOf } from '../conversations/change.js'
import { requireOwnDevices, type StoredUser } from '../identity/user-record.js'

const TRIES = 6

interface Covered {
  user: StoredUser
  deviceId: string
  signingKey: string
  encryptionKey: string
}

/** Finds the session key to send under, or makes one for exactly those whom the chains name. */
export class KeyRotation {
  readonly #core: Core

  constructor(core: Core) {
    this.#core = core
  }

  /**
   * A session key that covers exactly today's members and devices, taken over from another device or made.
   *
   * @param spent a key under which the server takes nothing any more
   * @throws {ChatError} `identity-changed`, `refused`, `untrusted`, `unreachable`
   */
  async ensureCurrent(conversationId: string, spent?: string): Promise<HeldKey> {
    const attempt = async (): Promise<HeldKey> => {
      const { room, covered } = await this.#synced((await this.#core.rooms.sync(conversationId)).room)
      const due = await rosterHash(covered)
      const view = await this.#view(conversationId)
      const adopted = await this.#adoptable(view, due, spent)
      if (adopted !== null) return adopted
      const { body, held } = await this.make(room, covered)
      const path = `/v1/conversations/${conversationId}/session-keys`
      await this.#core.tokens.call({ method: 'POST', path, body, response: SessionKeyResponse })
      return this.#core.keys.hold(held)
    }
    const pause = (_: unknown, attempts: number): Promise<void> =>
      sleep(this.#core.options.random() * 100 * 2 ** attempts, this.#core.http.closed)
    try {
      return await retryOnConflict(['stale-roster'], TRIES, attempt, pause)
    } catch (error) {
      if (!isRefusal(error, 'stale-roster')) throw error
      throw untrusted('ghost-device', 'The server asks for a roster that the chains do not give.', error)
    }
  }

  /** Whether a session key covers exactly today's members and devices, by the chains as they are known. */
  async covers(key: StoredKey): Promise<boolean> {
    const { members } = await this.#core.rooms.get(key.conversationId)
    return key.rosterHash === (await rosterHash(await this.covered(members)))
  }

  /** A new session key for these devices, not yet uploaded. */
  async make(
    { id: conversationId, head }: Pick<StoredConversation, 'id' | 'head'>,
    covered: readonly Covered[]
  ): Promise<{ body: NewSessionKey; held: StoredKey }> {
    const { device } = this.#core.identity.active()
    const key = await newSessionKey()
    const { id } = key
    const by = device.signing.fingerprint
    const roster = await rosterHash(covered)
    const text = statementText({
      kind: 'session-key',
      conversation: conversationId,
      sessionKey: id,
      head,
      commitment: await commitment(key),
      roster,
      by
    })
    const wraps = await inGroups(covered, async ({ user, deviceId, encryptionKey }) => ({
      deviceId,
      wrappedKey: await wrap(await this.#core.users.encryptionKey(user, encryptionKey), key)
    }))
    const held: StoredKey = {
      ...{ id, conversationId, key: key.bytes, head, rosterHash: roster, by },
      roster: Object.fromEntries(
        covered.map(({ user: { username }, deviceId, signingKey }) => [deviceId, { username, signingKey }])
      ),
      createdAt: new Date(this.#core.options.now()).toISOString()
    }
    return { body: { id, statement: await signStatement(text, device.signing), wraps }, held }
  }

  /** The devices that a session key has to be wrapped for, by the chains as they are known. */
  async covered(members: StoredConversation['members']): Promise<Covered[]> {
    const covered: Covered[] = []
    await this.#core.users.refresh()
    for (const { username, root } of members) {
      const user = await this.#core.users.get(username)
      // After a reset the user has to be taken into the conversation anew.
      if (user.root !== root) continue
      for (const { id: deviceId, signingKey, encryptionKey } of user.devices)
        covered.push({ user, deviceId, signingKey, encryptionKey })
    }
    return covered
  }

  /** The same, after whatever the server's roster says is new has been fetched and verified. */
  async #synced(before: StoredConversation): Promise<{ room: StoredConversation; covered: Covered[] }> {
    const path = `/v1/conversations/${before.id}/roster`
    const { body } = await this.#core.tokens.call({ method: 'GET', path, response: Roster })
    const room = body.head === before.head ? before : (await this.#core.rooms.sync(before.id)).room
    // Of another statement it says nothing about this one; the server takes no key for an old one.
    if (body.head === room.head) requireSameMembers(room, body.members)
    const shown = new Map(body.members.map((member) => [member.username, member]))
    const outdated: string[] = []
    for (const { username, root } of room.members) {
      const user = await this.#core.users.peek(username)
      const line = shown.get(username)
      const devices = line?.devices.map(({ id, encryptionVersion }) => `${id} ${encryptionVersion}`).sort()
      const known = user?.devices.map(({ id, encryptionVersion }) => `${id} ${encryptionVersion}`).sort()
      // A member with a stale root is shown without devices: whether that is so, the chain says.
      const same = user?.root === root && devices?.join() === known?.join()
      if (!same) outdated.push(username)
    }
    await inGroups(outdated, async (username) => {
      const { user } = await this.#core.users.sync(username)
      requireOwnDevices(user, shown.get(username)?.devices ?? [])
    })
    const users = await inGroups(room.members, ({ username }) => this.#core.users.get(username))
    await this.#core.pins.requireTrusted(users)
    const renewed = await renewalOf(this.#core, room, users)
    const covered = await this.covered(renewed.members)
    if (!covered.some(({ deviceId }) => deviceId === this.#core.identity.active().device.id))
      throw new ChatError('usage', 'not-in-roster', 'Another member has to renew your membership first.', {
        hint: 'Your identity is newer than the conversation’s line for you.'
      })
    return { room: renewed, covered }
  }

  async #view(id: string): Promise<Conversation> {
    const path = `/v1/conversations/${id}`
    const { body } = await this.#core.tokens.call({ method: 'GET', path, response: ConversationResponse })
    if (body.conversation.id === id) return body.conversation
    throw untrusted('moved-conversation', 'The server shows another conversation than it was asked for.')
  }

  /** The server's current key, if it covers exactly those who are due. */
  async #adoptable(view: Conversation, due: string, spent: string | undefined): Promise<HeldKey | null> {
    const { id, sessionKeyId, rekeyRequired } = view
    if (sessionKeyId === null || rekeyRequired || sessionKeyId === spent) return null
    try {
      const key = await this.#core.keys.get(id, sessionKeyId)
      return key.rosterHash === due ? key : null
    } catch (error) {
      // Whatever is wrong with it, nothing is sent under it.
      if (error instanceof ChatError && (error.kind === 'untrusted' || error.kind === 'usage')) return null
      throw error
    }
  }
}
