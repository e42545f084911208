import { Roster } from '../../protocol/conversations.js'
import { rosterHash } from '../../crypto/session-keys.js'
import type { MembershipChanges } from '../conversations/change.js'
import type { ConversationChains } from '../conversations/chains.js'
import { requireSameMembers, type StoredConversation } from '../conversations/record.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { TrustStore } from '../identity/trust-store.js'
import type { UserChains } from '../identity/user-chains.js'
import { requireOwnDevices, type StoredUser } from '../identity/user-record.js'
import type { Api } from '../transport/api.js'
import { inGroups } from '../transport/groups.js'
import type { StoredKey } from './verify.js'

/** A device that a session key has to be wrapped for. */
export interface DueDevice {
  user: StoredUser
  deviceId: string
  signingKey: string
  encryptionKey: string
}

/** A conversation and its roster after a sync. */
export interface SyncedRoster {
  conversation: StoredConversation
  devices: DueDevice[]
  /** The session key that the server accepts; null if a new one has to be made. */
  sessionKeyId: string | null
}

type ServedDevices = Roster['members'][number]['devices']

/**
 * Which devices a conversation's session key has to cover: those that the verified chains name, and no
 * others.
 */
export class Rosters {
  readonly #api: Api
  readonly #users: UserChains
  readonly #trust: TrustStore
  readonly #chains: ConversationChains
  readonly #changes: MembershipChanges
  readonly #me: OwnDevice

  constructor(
    api: Api,
    users: UserChains,
    trust: TrustStore,
    chains: ConversationChains,
    changes: MembershipChanges,
    me: OwnDevice
  ) {
    this.#api = api
    this.#users = users
    this.#trust = trust
    this.#chains = chains
    this.#changes = changes
    this.#me = me
  }

  /** @throws {ChatError} `identity-changed` if another member has an identity that was not accepted */
  async requireTrustedMembers(conversationId: string): Promise<void> {
    const { members } = await this.#chains.get(conversationId)
    for (const { username } of members)
      if (username !== this.#me.username) await this.#trust.requireTrusted([await this.#users.get(username)])
  }

  /** Whether a session key covers exactly today's members and devices, by the chains as they are known. */
  async isCovered(key: StoredKey): Promise<boolean> {
    const { members } = await this.#chains.get(key.conversationId)
    return key.rosterHash === (await rosterHash(await this.devicesOf(members)))
  }

  /** The devices of these members, by the chains as they are known. */
  async devicesOf(members: StoredConversation['members']): Promise<DueDevice[]> {
    const devices: DueDevice[] = []
    await this.#users.refresh()
    for (const { username, root } of members) {
      const user = await this.#users.get(username)
      // After a reset the membership has to be renewed first.
      if (user.root !== root) continue
      for (const { id: deviceId, signingKey, encryptionKey } of user.devices)
        devices.push({ user, deviceId, signingKey, encryptionKey })
    }
    return devices
  }

  /**
   * Ask the server for the roster, then fetch and verify whatever chains it shows to be out of date here.
   *
   * @throws {ChatError} `identity-changed`, `refused`, `untrusted`, `unreachable`
   */
  async sync(conversationId: string): Promise<SyncedRoster> {
    const path = `/v1/conversations/${conversationId}/roster`
    const { body } = await this.#api.call({ method: 'GET', path, response: Roster })
    const { conversation } = await this.#chains.sync(conversationId, body.head)
    // A roster of another statement says nothing about this one; the server takes no key for an old one.
    if (body.head === conversation.head) requireSameMembers(conversation, body.members)
    const served = new Map(body.members.map(({ username, devices }) => [username, devices]))
    await this.#syncMembers(conversation, served)
    const users = await inGroups(conversation.members, ({ username }) => this.#users.get(username))
    await this.#trust.requireTrusted(users)
    const renewed = await this.#changes.renewDirect(conversation, users)
    const devices = await this.devicesOf(renewed.members)
    const isCurrent = renewed.head === body.head && !body.rekeyRequired
    return { conversation: renewed, devices, sessionKeyId: isCurrent ? body.sessionKeyId : null }
  }

  /** Sync the chains of members whose devices are not those that the server shows. */
  async #syncMembers(
    { members }: StoredConversation,
    served: ReadonlyMap<string, ServedDevices>
  ): Promise<void> {
    const outdated: string[] = []
    for (const { username, root } of members) {
      const user = await this.#users.peek(username)
      const devices = served.get(username)
      // The server shows no devices of a member with a stale root: the user's chain says whether that is so.
      const isCurrent = user?.root === root && devices !== undefined && isSame(user.devices, devices)
      if (!isCurrent) outdated.push(username)
    }
    await inGroups(outdated, async (username) => {
      const { user } = await this.#users.sync(username)
      requireOwnDevices(user, served.get(username) ?? [])
    })
  }
}

type Versioned = { id: string; encryptionVersion: number }

function isSame(known: readonly Versioned[], served: readonly Versioned[]): boolean {
  const names = (devices: readonly Versioned[]) =>
    devices.map(({ id, encryptionVersion }) => `${id} ${encryptionVersion}`).sort()
  return names(known).join() === names(served).join()
}
