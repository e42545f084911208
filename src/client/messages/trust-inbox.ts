import type { DeviceHistory } from '../../protocol/user-history.js'
import type { ConversationChains } from '../conversations/chains.js'
import { untrusted } from '../errors.js'
import { bumpChainRevision } from '../identity/chain-revision.js'
import { countsIn, hasGone, isOwnSource, type HeardHead, type HeardHeads } from '../identity/heard-heads.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { TrustStore } from '../identity/trust-store.js'
import type { UserChains } from '../identity/user-chains.js'
import { toRecipient, type KeyForwarding } from '../session-keys/forward.js'
import type { StoreTransaction } from '../stores/store.js'
import type { ChainHead, LacksContent, TrustContent, WelcomeContent } from '../types/content.js'
import type { IncomingMessage } from '../types/messages.js'
import type { MessageDecryptor } from './decrypt.js'

/** The own device that has sent a message, and the place of the message among those of the device. */
type Source = { by: string; from: string; said: { key: number; n: number } }

/** Parts of a complete set that have come, by their numbers. */
type ReceivedSet = { parts: number; got: number[] }

/** Takes what other devices of the user, and those who add this user to groups, know of chains and roots, and lack. */
export class TrustInbox {
  readonly #users: UserChains
  readonly #trust: TrustStore
  readonly #heads: HeardHeads
  readonly #chains: ConversationChains
  readonly #decryptor: MessageDecryptor
  readonly #me: OwnDevice
  readonly #forwarding: KeyForwarding

  constructor(
    users: UserChains,
    trust: TrustStore,
    heads: HeardHeads,
    chains: ConversationChains,
    decryptor: MessageDecryptor,
    me: OwnDevice,
    forwarding: KeyForwarding
  ) {
    this.#users = users
    this.#trust = trust
    this.#heads = heads
    this.#chains = chains
    this.#decryptor = decryptor
    this.#me = me
    this.#forwarding = forwarding
  }

  /**
   * Read a message from client to client.
   *
   * @returns writes for the transaction that commits the message; undefined if it is another one, or does not count
   * @throws {ChatError} `forked-chain` (`untrusted`) if it contradicts a verified chain
   */
  async take(message: IncomingMessage): Promise<((tx: StoreTransaction) => Promise<void>) | undefined> {
    const { content, from } = message
    const { chain, history } = await this.#chains.get(message.conversationId)
    if (content.type === 'welcome' && chain.kind === 'direct' && !message.own) {
      return this.#welcome(content, from.username)
    }
    // Anybody can have a `self` conversation, and the server can show it.
    const isForDevices = content.type === 'trust' || content.type === 'lacks'
    if (!isForDevices || chain.kind !== 'self' || !message.own) return undefined
    if (from.signingKey === this.#own) return undefined
    const { devices } = await this.#users.get(from.username)
    // The words of a device fall with it. A device that was put aside is told nothing by those who came after it.
    for (const signingKey of [this.#own, from.signingKey])
      if (devices.get(signingKey)?.retired !== null) return undefined
    const isForThis = await this.#decryptor.isFromStart(message)
    // A device that came in later hears of nothing that was asked before.
    if (content.type === 'lacks')
      return isForThis ? this.#lacks(content, devices.get(from.signingKey)!) : undefined
    for (const [username, { root, since }] of Object.entries(content.users)) {
      const known = await this.#users.peek(username)
      const isLong = known !== undefined && known.chain.sequence >= since
      if (isLong && !known.roots.some((one) => one.root === root && one.since === since))
        throw untrusted(
          'forked-chain',
          `Your device ${from.deviceId} knows a root of ${username} that the chain does not have: ${root}.`
        )
    }
    const { sequence: key } = history.key(message.key)!
    const said = { key, n: message.n }
    const source = { by: from.signingKey, from: `your device ${from.deviceId}`, said }
    await this.#compareHeads(content, source)
    return (tx) => this.#trusted(tx, content, source, isForThis)
  }

  /** Forward what was planned. */
  forward(): void {
    this.#forwarding.start()
  }

  /** Plan to forward session keys to another own device, which was given something else in their place. */
  async #lacks(
    { conversation, keys: hashes }: LacksContent,
    { id, signingKey, keys }: DeviceHistory
  ): Promise<(tx: StoreTransaction) => Promise<void>> {
    const history = (await this.#chains.peekReadable(conversation))?.history
    const known = hashes.filter((hash) => history?.key(hash) !== undefined)
    const to = toRecipient({ id, signingKey, ...keys.at(-1)! })
    return async (tx) => {
      for (const hash of known) this.#forwarding.planKey(tx, to, conversation, hash)
    }
  }

  /**
   * An admin who added this person may know another chain than the server has shown. The word of somebody who has
   * gone from the conversation says nothing; that of somebody who is not in yet may come before the chain does.
   */
  async #welcome(
    { conversation: id, sequence, head }: WelcomeContent,
    from: string
  ): Promise<((tx: StoreTransaction) => Promise<void>) | undefined> {
    const heard = { sequence, head, from }
    const known = await this.#chains.peekReadable(id)
    if (known === undefined) return async (tx) => void (await this.#heads.noteWelcome(tx, id, heard))
    const { history, chain } = known
    if (hasGone(history, chain)(from) || (await this.#heads.isOver(id, heard))) return undefined
    const counts = countsIn(chain)
    const isCounted = counts(from)
    const more = { by: from, heard }
    if (isCounted) await this.#heads.compare({ conversationId: id }, counts, (at) => history.hashAt(at), more)
    return async (tx) => {
      if ((await this.#heads.noteWelcome(tx, id, heard)) && isCounted) await bumpChainRevision(tx)
    }
  }

  /** Another own device may have been shown other chains. */
  async #compareHeads({ users, conversations }: TrustContent, { by, ...source }: Source): Promise<void> {
    for (const [username, head] of Object.entries(users)) {
      const hashes = (await this.#users.peek(username))?.hashes
      const more = { by, heard: heardHead(head, source) }
      await this.#heads.compare(
        { username },
        () => true,
        (at) => hashes?.[at - 1],
        more
      )
    }
    for (const [id, head] of Object.entries(conversations)) {
      const more = { by, heard: heardHead(head, source) }
      const hashAt = (at: number): Promise<string | undefined> => this.#chains.hashAt(id, at)
      await this.#heads.compare({ conversationId: id }, isOwnSource, hashAt, more)
    }
  }

  async #trusted(
    tx: StoreTransaction,
    { users, conversations, set }: TrustContent,
    { by, ...source }: Source,
    isForThis: boolean
  ): Promise<void> {
    for (const [username, { sequence, head, ...trust }] of Object.entries(users))
      if (await this.#heads.note(tx, username, by, heardHead({ sequence, head }, source)))
        await this.#trust.hear(tx, by, username, trust)
    for (const [id, head] of Object.entries(conversations))
      await this.#heads.note(tx, id, by, heardHead(head, source))
    await bumpChainRevision(tx)
    // A set under a key that was made before this device came in may be an old one.
    if (set === undefined || !isForThis) return
    const name = `trust-set/${by}/${set.id}`
    const received = (await tx.get<ReceivedSet>(name)) ?? { parts: set.parts, got: [] }
    const got = [...new Set([...received.got, set.part])]
    if (got.length < received.parts) return tx.set(name, { parts: received.parts, got })
    tx.delete(name)
    await this.#trust.stopWaiting(tx)
  }

  get #own(): string {
    return this.#me.signingKey
  }
}

function heardHead({ sequence, head }: ChainHead, { from, said }: Omit<Source, 'by'>): HeardHead {
  return { sequence, head, from, said }
}
