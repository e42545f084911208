import { isSigned, messageDigest } from '../../crypto/messages.js'
import { findMember } from '../../protocol/link-signers.js'
import type { Message } from '../../protocol/messages.js'
import type { ConversationChains } from '../conversations/chains.js'
import { ChatError, toUntrusted, untrusted } from '../errors.js'
import { alarmOf, type Alarms } from '../identity/alarms.js'
import type { UserChains } from '../identity/user-chains.js'
import type { SessionKeys } from '../session-keys/store.js'
import type { InTime } from './in-time.js'

/** Judges messages whose session key this device does not have. Anybody can make up a message that nobody opens. */
export class UnopenedMessages {
  readonly #users: UserChains
  readonly #chains: ConversationChains
  readonly #keys: SessionKeys
  readonly #inTime: InTime
  readonly #alarms: Alarms

  constructor(
    users: UserChains,
    chains: ConversationChains,
    keys: SessionKeys,
    inTime: InTime,
    alarms: Alarms
  ) {
    this.#users = users
    this.#chains = chains
    this.#keys = keys
    this.#inTime = inTime
    this.#alarms = alarms
  }

  /**
   * It counts only if a device of its key's roster has signed it, and is not known to have gone before; under a key that
   * the chain lacks, a device of a member.
   *
   * @param failure why there is no key
   * @throws {ChatError} `untrusted`: `forked-chain` if a member has signed it for another chain
   */
  async judge(message: Message, failure: ChatError): Promise<void> {
    const { conversationId, key, id, sender } = message
    const known = await this.#chains.peek(conversationId)
    if (known === undefined)
      throw untrusted('hidden-conversation', 'A message is of a conversation that the server hides.', failure)
    const { chain, history } = known
    const by = await signingKeyOf(this.#users, message)
    const link = history.key(key)
    try {
      const signingKey = await this.#users.signingKey(by)
      if (!(await isSigned({ conversationId, key, by, signingKey, message })))
        throw untrusted('bad-signature', `Message ${id} is not signed by its sender.`)
      if (link === undefined) findMember(by, chain.members, await this.#chains.users(conversationId))
      else {
        const placed = { id, position: message.position, digest: await messageDigest(message) }
        const from = await this.#keys.sender({ conversationId, link }, by)
        await this.#inTime.check({ conversationId, link }, from, placed)
      }
    } catch (error) {
      throw toUntrusted(error, `Message ${id}`)
    }
    if (failure.code !== 'unknown-key') return
    const fork = new ChatError(
      'untrusted',
      'forked-chain',
      `${sender.username} knows another chain of the conversation: one with ${key}. Here it ends with ${chain.head}.`,
      { heads: { known: chain.head, served: key } }
    )
    await this.#alarms.raiseOnce({ ...alarmOf(fork), about: { conversationId } })
    throw fork
  }
}

/**
 * The signing key of the device that the server names. Only the session key's roster says if it counts. All who are in
 * one are known: nobody is met by a message.
 */
export async function signingKeyOf(users: UserChains, { sender }: Message): Promise<string> {
  const { devices } = (await users.peek(sender.username)) ?? { devices: new Map<string, never>() }
  for (const { id, signingKey } of devices.values()) if (id === sender.deviceId) return signingKey
  throw untrusted('ghost-sender', `The server names a device that ${sender.username} never had.`)
}
