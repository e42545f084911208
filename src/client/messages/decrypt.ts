import { openMessage } from '../../crypto/messages.js'
import { Message } from '../../protocol/messages.js'
import type { ConversationChains } from '../conversations/chains.js'
import { ChatError, toUntrusted, untrusted } from '../errors.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { UserChains } from '../identity/user-chains.js'
import { lacksKey, type SessionKeys } from '../session-keys/store.js'
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
import { commitMessage, type CommittedMessage } from './commit.js'
import { readContent, type Envelope } from './content.js'
import type { SeenMessages } from './seen.js'

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
}

/** Verifies and decrypts the messages that the server shows (protocol, "Message"). */
export class MessageDecryptor {
  readonly #store: Store
  readonly #users: UserChains
  readonly #chains: ConversationChains
  readonly #keys: SessionKeys
  readonly #seen: SeenMessages
  readonly #me: OwnDevice

  constructor(
    store: Store,
    users: UserChains,
    chains: ConversationChains,
    keys: SessionKeys,
    seen: SeenMessages,
    me: OwnDevice
  ) {
    this.#store = store
    this.#users = users
    this.#chains = chains
    this.#keys = keys
    this.#seen = seen
    this.#me = me
  }

  /**
   * Decrypt messages of one conversation or of several. They are decrypted at the same time, then checked for
   * replay in the given order, each against those before it. The caller commits each once it was shown.
   *
   * @throws {ChatError} only for errors that are not the message's: `unreachable`, `logged-out`, `store`, …
   */
  async *decrypt(messages: readonly Message[]): AsyncGenerator<DecryptedMessage, void, undefined> {
    const opened = messages.map((message) =>
      this.#open(message).then(
        (value) => ({ value }),
        (error: unknown) => ({ error })
      )
    )
    for (const [at, message] of messages.entries()) {
      const result = await opened[at]!
      try {
        if ('error' in result) throw result.error
        yield await this.#checked(message, result.value)
      } catch (error) {
        yield unreadable(message, error)
      }
    }
  }

  async commit(tx: StoreTransaction, { commit }: DecryptedMessage): Promise<void> {
    if (commit !== null) await commitMessage(tx, this.#seen, commit)
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
    const { conversationId, sender } = message
    const key = await this.#keys.get(conversationId, message.sessionKeyId)
    const device = Object.hasOwn(key.roster, sender.deviceId) ? key.roster[sender.deviceId] : undefined
    if (device === undefined || device.username !== sender.username)
      throw untrusted('ghost-device', 'A message is by a device that the session key was not made for.')
    const user = await this.#users.get(device.username)
    const by = device.signingKey
    const signingKey = await this.#users.signingKey(user, by)
    try {
      const opened = await openMessage({ conversationId, sessionKey: key.material, by, signingKey, message })
      return { ...readContent(opened.content), digest: opened.digest }
    } catch (error) {
      throw toUntrusted(error, `Message ${message.id}`)
    }
  }

  async #checked(message: Message, opened: Opened): Promise<DecryptedMessage> {
    const { id, conversationId, sessionKeyId, position } = message
    const { n, sentAt, content, digest } = opened
    const { username, deviceId } = message.sender
    const counter = { conversationId, sessionKeyId, deviceId }
    const entry = { n, id, digest, position }
    const { known, late } = await this.#seen.check(counter, entry)
    if (!known) await this.#seen.note(counter, entry)
    if (content.type === 'title') this.#chains.noteTitle(conversationId, content.text, position)
    // A known title may come from a stream that ended before the title was written down.
    const isCommitted = known && content.type !== 'title'
    const from = { username, deviceId }
    return {
      before: late ? [{ type: 'reordered', conversationId, sessionKeyId, from, id, n }] : [],
      commit: isCommitted ? null : { counter, entry, content },
      shown: {
        type: 'message',
        id,
        conversationId,
        sessionKeyId,
        from,
        own: username === this.#me.username,
        position,
        receivedAt: message.createdAt,
        sentAt,
        n,
        content
      }
    }
  }
}

function unreadable(message: Message, error: unknown): DecryptedMessage {
  if (!(error instanceof ChatError)) throw error
  if (!lacksKey(error) && error.kind !== 'untrusted') throw error
  const { id, conversationId, sessionKeyId, position, sender, createdAt } = message
  return {
    before: [],
    commit: null,
    shown: {
      type: 'unreadable',
      id,
      conversationId,
      sessionKeyId,
      from: { username: sender.username, deviceId: sender.deviceId },
      position,
      receivedAt: createdAt,
      reason: lacksKey(error) ? 'no-key' : 'untrusted',
      error
    }
  }
}
