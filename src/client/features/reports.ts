import { decodeBase64, encodeBase64, encodeUtf8 } from '../../crypto/encoding.js'
import { deriveMessageKey, MAX_CONTENT_BYTES, messageDigest, openOneMessage } from '../../crypto/messages.js'
import type { CryptoKey } from '../../crypto/web-crypto.js'
import type { ConversationChains } from '../conversations/chains.js'
import { ChatError, isLeft, toUntrusted, untrusted } from '../errors.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { UserChains } from '../identity/user-chains.js'
import { checkContent, readContent } from '../messages/content.js'
import type { Outbox } from '../outbox/outbox.js'
import { fetchMessage } from '../outbox/request.js'
import type { SessionKeys } from '../session-keys/store.js'
import type { Api } from '../transport/api.js'
import type { Http } from '../transport/http.js'
import type { ReceivedContent, ReportContent } from '../types/content.js'
import type { IncomingMessage } from '../types/messages.js'
import type { CheckedReport } from '../types/reports.js'
import type { ConversationCreation } from './conversation-creation.js'
import { readServerInfo } from './server-info.js'

/** Bytes of a message's JSON beside its content, at most. */
const OTHER_BYTES = 100

/** A message of which a report is made, as it came. */
type Shown = Pick<IncomingMessage, 'id' | 'conversationId' | 'key' | 'digest' | 'from' | 'position'>

/** Shows a message to the moderators of the server, who can check it (protocol, "Report"). */
export class Reports {
  readonly #http: Http
  readonly #api: Api
  readonly #me: OwnDevice
  readonly #users: UserChains
  readonly #chains: ConversationChains
  readonly #keys: SessionKeys
  readonly #creation: ConversationCreation
  readonly #outbox: Outbox

  constructor(
    http: Http,
    api: Api,
    me: OwnDevice,
    users: UserChains,
    chains: ConversationChains,
    keys: SessionKeys,
    creation: ConversationCreation,
    outbox: Outbox
  ) {
    this.#http = http
    this.#api = api
    this.#me = me
    this.#users = users
    this.#chains = chains
    this.#keys = keys
    this.#creation = creation
    this.#outbox = outbox
  }

  /**
   * The moderators that would get a report of a message, by the server's word: show the person who they are. Never its
   * sender, and not this user.
   */
  async moderators({ from }: Pick<IncomingMessage, 'from'>): Promise<string[]> {
    const { moderators } = await readServerInfo(this.#http)
    return moderators.filter((name) => name !== this.#me.username && name !== from.username)
  }

  /**
   * Send a message to moderators, each in a direct conversation, with the key that opens this message and no other.
   *
   * @param message as it came, in `history` or in `events`
   * @param options.to usernames, of `moderators`
   * @throws `no-moderators`, `report-too-large` (`usage`); `message-deleted` (`refused`) if the server has it no more;
   *   as `send` does
   */
  async make(message: Shown, { to, reason = '' }: { to: readonly string[]; reason?: string }): Promise<void> {
    if (to.length === 0)
      throw new ChatError('usage', 'no-moderators', 'There is no moderator to whom this can be reported.')
    const content = await this.#contentOf(message, reason)
    for (const username of to) {
      const { id } = await this.#creation.direct(username)
      await this.#outbox.send(id, content)
    }
  }

  async #contentOf(shown: Shown, reason: string): Promise<ReportContent> {
    const { id, conversationId, key } = shown
    const stored = await fetchMessage(this.#api, shown)
    if ((await messageDigest(stored)) !== shown.digest)
      throw untrusted('other-answer', 'The server shows another message than the one that came.')
    const { material } = await this.#keys.byHash(conversationId, key)
    const { username, deviceId } = shown.from
    const { iv, ciphertext, signature } = stored
    const content: ReportContent = {
      type: 'report',
      message: { id, conversationId, key, sender: { username, deviceId }, iv, ciphertext, signature },
      messageKey: encodeBase64(await deriveMessageKey(material, id)),
      reason
    }
    if (encodeUtf8(JSON.stringify(content)).length > MAX_CONTENT_BYTES - OTHER_BYTES)
      throw new ChatError(
        'usage',
        'report-too-large',
        'The message is too long to be sent again in a report.',
        {
          hint: `Tell a moderator its id: ${id}. An admin can delete it.`
        }
      )
    return checkContent(content) as ReportContent
  }

  /**
   * Check what a report shows: that this device of the sender has signed the message for this conversation, and what
   * it says. Nothing checks when it was sent, and what was said around it.
   *
   * @throws {ChatError} `ghost-sender`, `bad-signature`, `bad-tag`, `malformed-message`, `unknown-key`, …
   *   (`untrusted`): the report proves nothing
   */
  async check({
    message,
    messageKey
  }: Pick<ReportContent, 'message' | 'messageKey'>): Promise<CheckedReport> {
    const { id, conversationId, key, sender } = message
    const { devices } = await this.#users.get(sender.username)
    const device = [...devices.values()].find((one) => one.id === sender.deviceId)
    if (device?.purpose !== 'chat')
      throw untrusted('ghost-sender', `The report names a device that ${sender.username} never had.`)
    const by = device.signingKey
    const opened = await openReport({ message, messageKey }, by, await this.#users.signingKey(by))
    return {
      id,
      conversationId,
      from: { ...sender, signingKey: by },
      ...opened,
      inKnownConversation: await this.#isKnown(conversationId, key, by)
    }
  }

  async #isKnown(conversationId: string, key: string, by: string): Promise<boolean> {
    try {
      await this.#chains.sync(conversationId)
    } catch (error) {
      if (!(error instanceof ChatError) || !isLeft(error)) throw error
    }
    const known = await this.#chains.peek(conversationId)
    if (known === undefined) return false
    const link = known.history.key(key)
    if (link === undefined)
      throw untrusted('unknown-key', 'The report names a session key that the conversation does not have.')
    await this.#keys.sender({ conversationId, link }, by)
    return true
  }
}

/** Open a reported message with its own key. @param by fingerprint of the sender's signing key */
export async function openReport(
  { message, messageKey }: Pick<ReportContent, 'message' | 'messageKey'>,
  by: string,
  signingKey: CryptoKey
): Promise<{ sentAt: string; content: ReceivedContent }> {
  const { conversationId, key } = message
  try {
    const input = { conversationId, key, by, signingKey, message, messageKey: decodeBase64(messageKey) }
    const { content, sentAt } = readContent((await openOneMessage(input)).content)
    return { sentAt, content }
  } catch (error) {
    throw toUntrusted(error, `The reported message ${message.id}`)
  }
}
