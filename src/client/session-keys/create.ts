import type { NewSessionKey } from '../../protocol/conversations.js'
import { statementText } from '../../protocol/statement-texts.js'
import {
  sessionKeyCommitment,
  generateSessionKey,
  rosterHash,
  wrapSessionKey
} from '../../crypto/session-keys.js'
import { signStatement } from '../../crypto/statements.js'
import type { StoredConversation } from '../conversations/record.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { UserChains } from '../identity/user-chains.js'
import { inGroups } from '../transport/groups.js'
import type { DueDevice } from './roster.js'
import type { StoredKey } from './verify.js'

/** A session key of this device's making, not yet uploaded. */
export interface CreatedKey {
  body: NewSessionKey
  stored: StoredKey
}

/** Makes session keys, each signed by this device and wrapped for every device of a roster. */
export class SessionKeyFactory {
  readonly #users: UserChains
  readonly #me: OwnDevice
  readonly #now: () => number

  constructor(users: UserChains, me: OwnDevice, now: () => number) {
    this.#users = users
    this.#me = me
    this.#now = now
  }

  async create(
    { id: conversationId, head }: Pick<StoredConversation, 'id' | 'head'>,
    devices: readonly DueDevice[]
  ): Promise<CreatedKey> {
    const { signing } = this.#me.active().device
    const key = await generateSessionKey()
    const { id } = key
    const by = signing.fingerprint
    const roster = await rosterHash(devices)
    const text = statementText({
      kind: 'session-key',
      conversation: conversationId,
      sessionKey: id,
      head,
      commitment: await sessionKeyCommitment(key),
      roster,
      by
    })
    const wraps = await inGroups(devices, async ({ user, deviceId, encryptionKey }) => ({
      deviceId,
      wrappedKey: await wrapSessionKey(await this.#users.encryptionKey(user, encryptionKey), key)
    }))
    return {
      body: { id, statement: await signStatement(text, signing), wraps },
      stored: {
        id,
        conversationId,
        key: key.bytes,
        head,
        rosterHash: roster,
        by,
        roster: Object.fromEntries(
          devices.map(({ user: { username }, deviceId, signingKey }) => [deviceId, { username, signingKey }])
        ),
        createdAt: new Date(this.#now()).toISOString()
      }
    }
  }
}
