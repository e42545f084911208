import type { Message } from '../../protocol/messages.js'
import { open } from '../../crypto/messages.js'
import type { ReceivedContent } from '../types/content.js'
import type {
  IncomingMessage,
  ReorderedMessage,
  UnreadableMessage,
  WithheldMessages
} from '../types/messages.js'
import { readContent, type Envelope } from './content.js'
import type { Core } from '../core.js'
import { ChatError, brokenRule, untrusted } from '../errors.js'
import { commitMessage, type CommittedMessage } from './commit.js'
import type { StoreTransaction } from '../stores/store.js'

/** A message that was read, for better or worse. */
export interface Read {
  shown: IncomingMessage | UnreadableMessage
  /** Said before it is shown. */
  before: (WithheldMessages | ReorderedMessage)[]
  /** To be written down once it was shown; null for one that can't be shown, or is known already. */
  commit: CommittedMessage | null
}

interface Opened extends Envelope {
  content: ReceivedContent
  digest: string
}

/** Messages as the server shows them → as a person may see them (protocol, "Message"). */
export class MessageDecryptor {
  readonly #core: Core

  constructor(core: Core) {
    this.#core = core
  }

  /**
   * Check and open messages of one conversation or of many, the costly part of it at the same time. They are judged
   * in the order in which they are given, each by those before it. `commit` makes that last.
   *
   * @throws {ChatError} only for what says nothing about the message: `unreachable`, `logged-out`, `store`, …
   */
  async *read(messages: readonly Message[]): AsyncGenerator<Read, void, undefined> {
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
        yield await this.#judged(message, result.value)
      } catch (error) {
        yield unreadable(message, error)
      }
    }
  }

  async commit(tx: StoreTransaction, { commit }: Pick<Read, 'commit'>): Promise<void> {
    if (commit !== null) await commitMessage(tx, this.#core.ledger, commit)
  }

  async #open(message: Message): Promise<Opened> {
    const { conversationId, sender } = message
    const key = await this.#core.keys.get(conversationId, message.sessionKeyId)
    const line = Object.hasOwn(key.roster, sender.deviceId) ? key.roster[sender.deviceId] : undefined
    if (line === undefined || line.username !== sender.username)
      throw untrusted('ghost-device', 'A message is by a device that the session key was not made for.')
    const user = await this.#core.users.get(line.username)
    const signingKey = await this.#core.users.signingKey(user, line.signingKey)
    const by = line.signingKey
    try {
      const opened = await open({ conversationId, sessionKey: key.material, by, signingKey, message })
      return { ...readContent(opened.content), digest: opened.digest }
    } catch (error) {
      throw brokenRule(error, `Message ${message.id}`)
    }
  }

  async #judged(message: Message, { n, sentAt, content, digest }: Opened): Promise<Read> {
    const { id, conversationId, sessionKeyId, position } = message
    const { username, deviceId } = message.sender
    const counter = { conversationId, sessionKeyId, deviceId }
    const entry = { n, id, digest, position }
    const { known, late } = await this.#core.ledger.judge(counter, entry)
    if (!known) await this.#core.ledger.note(counter, entry)
    // A title that is known may have been read by a stream that ended before it was handled.
    const isCommitted = known && content.type !== 'title'
    const from = { username, deviceId }
    return {
      before: late ? [{ type: 'reordered', conversationId, sessionKeyId, from, id, n }] : [],
      commit: isCommitted ? null : { counter, entry, content },
      shown: {
        type: 'message',
        ...{ id, conversationId, sessionKeyId, from, position, sentAt, n, content },
        own: username === this.#core.identity.username,
        receivedAt: message.createdAt
      }
    }
  }
}

function unreadable(message: Message, error: unknown): Read {
  if (!(error instanceof ChatError)) throw error
  const lacksKey = error.code === 'no-session-key' || error.code === 'unreadable-key'
  if (!lacksKey && error.kind !== 'untrusted') throw error
  const { id, conversationId, sessionKeyId, position, sender, createdAt } = message
  return {
    before: [],
    commit: null,
    shown: {
      type: 'unreadable',
      ...{ id, conversationId, sessionKeyId, position, error },
      from: { username: sender.username, deviceId: sender.deviceId },
      receivedAt: createdAt,
      reason: lacksKey ? 'no-key' : 'untrusted'
    }
  }
}
