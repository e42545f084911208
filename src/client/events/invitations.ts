import { decodeBase64 } from '../../crypto/encoding.js'
import type { ConversationChains } from '../conversations/chains.js'
import type { FirstContact } from '../conversations/first-contact.js'
import { untrusted } from '../errors.js'
import { INVITED, type OpenInvitations } from '../identity/open-invitations.js'
import type { TrustStore } from '../identity/trust-store.js'
import type { UserChains } from '../identity/user-chains.js'
import type { HelloContent } from '../types/content.js'
import type { IncomingMessage } from '../types/messages.js'
import type { Handled } from '../identity/handled.js'

/** Handles the first messages of people who came by a link of this device. */
export class InvitationEvents {
  readonly #users: UserChains
  readonly #trust: TrustStore
  readonly #chains: ConversationChains
  readonly #contact: FirstContact
  readonly #open: OpenInvitations
  readonly #resume: () => Promise<unknown>

  /** @param resume adds newcomers to groups, as far as that is due */
  constructor(
    users: UserChains,
    trust: TrustStore,
    chains: ConversationChains,
    contact: FirstContact,
    open: OpenInvitations,
    resume: () => Promise<unknown>
  ) {
    this.#users = users
    this.#trust = trust
    this.#chains = chains
    this.#contact = contact
    this.#open = open
    this.#resume = resume
  }

  /**
   * A link for one person proves who came. One for several only says by which link they came. A message
   * that the user does not see uses up the link, and does nothing else.
   */
  async hello(
    { conversationId, from: { username }, own, receivedAt }: IncomingMessage,
    { invitation, proof }: HelloContent
  ): Promise<Handled> {
    const { chain } = await this.#chains.get(conversationId)
    if (own || chain.kind !== 'direct') return { events: [] }
    const history = await this.#users.get(username)
    const sentAt = Date.parse(receivedAt)
    const found = await this.#open.check(invitation, decodeBase64(proof), history.chain.root, sentAt)
    if (found === undefined) return { events: [] }
    const isHidden = await this.#contact.hides(conversationId, username)
    // Nobody takes the place of somebody whom the user knows, neither with a link of the user.
    if (found === 'forged' || !(await this.#trust.admits(username, history.chain.root, history))) {
      const message = `${username} says that they came by a link of yours, and does not prove it.`
      const error = untrusted('forged-invitation', message)
      return { events: isHidden ? [] : [{ type: 'untrusted', error, username, conversationId }] }
    }
    const { groups, maxUses } = found
    const verified = maxUses === 1
    return {
      events: isHidden ? [] : [{ type: 'invitation-accepted', username, verified, groups }],
      commit: async (tx) => {
        // Another process of this device may have read it meanwhile, or blocked the user.
        if (!(await this.#open.use(tx, invitation))) return
        if (await this.#contact.hides(conversationId, username, tx)) return
        if (verified) await this.#trust.verify(tx, username, history)
        if (groups.length > 0) tx.set(`${INVITED}${username}`, groups)
      }
    }
  }

  /** Do what a newcomer's message has brought about. */
  resume(): void {
    this.#resume().catch(() => undefined)
  }
}
