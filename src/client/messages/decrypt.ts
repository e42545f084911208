import { openMessage } from '../../crypto/messages.js'
import { Turns } from '../../crypto/turns.js'
import { Message } from '../../protocol/messages.js'
import type { ConversationChains } from '../conversations/chains.js'
import { ChatError, toUntrusted, untrusted, isLeft } from '../errors.js'
import type { Alarms } from '../identity/alarms.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { UserChains } from '../identity/user-chains.js'
import { lacksKey, type RosterSender, type SessionKeys, type UsableKey } from '../session-keys/store.js'
import { isWrongWrap } from '../session-keys/wrong-wraps.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import { fits } from '../transport/response-schema.js'
import type { ReceivedContent } from '../types/content.js'
import type {
  Incoming,
  IncomingMessage,
  ReorderedMessage,
  UnreadableMessage,
  WithheldMessages
} from '../types/messages.js'
import { commitMessage, titleIn, type CommittedMessage } from './commit.js'
import { readContent, type Envelope } from './content.js'
import { toReordered } from './gaps.js'
import type { InTime } from './in-time.js'
import type { SeenMessages } from './seen.js'
import { signingKeyOf, UnopenedMessages } from './unopened.js'

/** Messages that are decrypted at the same time. The largest take some milliseconds each. */
const AT_ONCE = 4

/** A message after decryption, whether that succeeded or not. */
export interface DecryptedMessage {
  shown: IncomingMessage | UnreadableMessage
  /** Shown before it. */
  before: (WithheldMessages | ReorderedMessage)[]
  /** To be written down once the message was shown; null if it can't be shown, or is written down already. */
  commit: CommittedMessage | null
}

interface Opened extends Envelope {
  content: ReceivedContent
  digest: string
  key: UsableKey
  sender: RosterSender
}

/** Verifies and decrypts the messages that the server shows (protocol, "Message"). */
export class MessageDecryptor {
  readonly #store: Store
  readonly #users: UserChains
  readonly #chains: ConversationChains
  readonly #keys: SessionKeys
  readonly #inTime: InTime
  readonly #seen: SeenMessages
  readonly #me: OwnDevice
  readonly #alarms: Alarms
  readonly #unopened: UnopenedMessages

  constructor(
    store: Store,
    users: UserChains,
    chains: ConversationChains,
    keys: SessionKeys,
    inTime: InTime,
    seen: SeenMessages,
    me: OwnDevice,
    alarms: Alarms
  ) {
    this.#store = store
    this.#users = users
    this.#chains = chains
    this.#keys = keys
    this.#inTime = inTime
    this.#seen = seen
    this.#me = me
    this.#alarms = alarms
    this.#unopened = new UnopenedMessages(users, chains, keys, inTime, alarms)
  }

  /**
   * Decrypt messages of one conversation or of several. Some are decrypted at the same time, then checked for
   * replay in the given order, each against those before it. The caller commits each once it was shown.
   *
   * @throws {ChatError} only for errors that are not the message's: `unreachable`, `logged-out`, `store`, …
   */
  async *decrypt(messages: readonly Message[]): AsyncGenerator<DecryptedMessage, void, undefined> {
    const turns = new Turns()
    const opened: Promise<{ value: Opened } | { error: unknown }>[] = []
    for (const [at, message] of messages.entries()) {
      for (const next of messages.slice(opened.length, at + AT_ONCE))
        opened.push(
          this.#open(next).then(
            (value) => ({ value }),
            (error: unknown) => ({ error })
          )
        )
      const result = await opened[at]!
      await turns.next()
      try {
        if ('error' in result) throw result.error
        yield await this.#checked(message, result.value)
      } catch (error) {
        yield unreadable(message, error)
      }
    }
  }

  /** Whether the message's session key was made for this device, so that it knows where counting begins. */
  async isFromStart({ conversationId, key }: IncomingMessage): Promise<boolean> {
    return this.#keys.isInRoster(await this.#keys.byHash(conversationId, key), this.#me.signingKey)
  }

  /** The place of the message with this id that was read of the same device; undefined if none was. */
  placeOf({ conversationId, from }: IncomingMessage, id: string): Promise<number | undefined> {
    return this.#seen.positionOf(conversationId, from.signingKey, id)
  }

  async commit(tx: StoreTransaction, { commit }: DecryptedMessage): Promise<void> {
    if (commit !== null) await commitMessage(tx, this.#seen, commit, this.#alarms)
  }

  /**
   * Decrypt a message that the caller has fetched, and commit it.
   *
   * @throws {ChatError} `not-a-message` (`usage`) for anything else
   */
  async openAndCommit(given: unknown): Promise<Incoming[]> {
    if (!fits(Message, given))
      throw new ChatError('usage', 'not-a-message', 'This is no message as the server serves it.', {
        hint: 'It is an item of a history page, or the data of a "message" event.'
      })
    const shown: Incoming[] = []
    for await (const message of this.decrypt([given])) {
      shown.push(...message.before, message.shown)
      await this.#store.update((tx) => this.commit(tx, message))
    }
    return shown
  }

  async #open(message: Message): Promise<Opened> {
    const { conversationId } = message
    const key = await this.#keyOf(message)
    if (key.link.id !== message.sessionKeyId)
      throw untrusted('other-session-key', 'A message names a session key that is not the one of its `key`.')
    const sender = await this.#keys.sender(key, await signingKeyOf(this.#users, message))
    if (sender.username !== message.sender.username || sender.deviceId !== message.sender.deviceId)
      throw untrusted('ghost-sender', 'The server names another sender of a message than its session key.')
    const { signingKey: by } = sender
    const signingKey = await this.#users.signingKey(by)
    try {
      const input = { conversationId, key: key.link.hash, sessionKey: key.material, by, signingKey, message }
      const opened = await openMessage(input)
      return { ...readContent(opened.content), digest: opened.digest, key, sender }
    } catch (error) {
      throw toUntrusted(error, `Message ${message.id}`)
    }
  }

  async #keyOf(message: Message): Promise<UsableKey> {
    try {
      return await this.#keys.byHash(message.conversationId, message.key)
    } catch (error) {
      if (
        error instanceof ChatError &&
        (error.code === 'unknown-key' || isWithoutKey(error) || isWrongWrap(error))
      )
        await this.#unopened.judge(message, error)
      throw error
    }
  }

  async #checked(message: Message, opened: Opened): Promise<DecryptedMessage> {
    const { id, conversationId, position } = message
    const { n, sentAt, content, digest, key, sender } = opened
    const isGone = await this.#inTime.check(key, sender, { n, id, digest, position })
    const counter = { conversationId, key: key.link.hash, signingKey: sender.signingKey }
    const read = { n, id, digest, position, departed: isGone, isVoid: content.type === 'void' }
    const { known, isWritten, departed, ...order } = await this.#seen.check(counter, read)
    const entry = { ...read, departed }
    if (!known) await this.#seen.note(counter, entry)
    const commit = { counter, entry, content, late: order.late }
    const title = titleIn(commit)
    if (title !== null) this.#chains.noteTitle(conversationId, title)
    // A known title may come from a stream that ended before the title was written down.
    const isCommitted = isWritten && title === null
    const shown: IncomingMessage = {
      type: 'message',
      id,
      conversationId,
      key: key.link.hash,
      digest,
      from: { ...sender },
      own: sender.username === this.#me.username,
      position,
      receivedAt: message.createdAt,
      sentAt,
      n,
      late: order.late,
      departed,
      content
    }
    return {
      before: order.isMoved && !known ? [toReordered(shown)] : [],
      commit: isCommitted ? null : commit,
      shown
    }
  }
}

function unreadable(message: Message, error: unknown): DecryptedMessage {
  if (!(error instanceof ChatError)) throw error
  if (!isWithoutKey(error) && error.kind !== 'untrusted') throw error
  const { id, conversationId, key, position, sender, createdAt } = message
  return {
    before: [],
    commit: null,
    shown: {
      type: 'unreadable',
      id,
      conversationId,
      key,
      from: { username: sender.username, deviceId: sender.deviceId, signingKey: '' },
      position,
      receivedAt: createdAt,
      reason: error.kind === 'untrusted' ? 'untrusted' : 'no-key',
      error
    }
  }
}

/** Whether there is no key to decrypt with, or the server says that there is no such conversation. */
function isWithoutKey(error: ChatError): boolean {
  return lacksKey(error) || isLeft(error)
}
