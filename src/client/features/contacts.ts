import type { UserHistory } from '../../protocol/user-history.js'
import { safetyNumber } from '../../crypto/safety-number.js'
import { ChatError, isAboutOne, isRefusal, untrusted } from '../errors.js'
import type { Alarms } from '../identity/alarms.js'
import type { OwnChain } from '../identity/own-chain.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { Trust, TrustStore } from '../identity/trust-store.js'
import type { UserChains } from '../identity/user-chains.js'
import type { Store } from '../stores/store.js'
import { unlessUnsent } from './unsent.js'
import { formatLink, parseLink, requireServer } from './links.js'
import type { Contact, ContactPolicy } from '../types/contacts.js'
import type { ContactRules } from './contact-rules.js'
import { sameDigits } from './compared-digits.js'
import { toUsername } from './username.js'

/** Users whose identity this device has met, and how far it is trusted. */
export class Contacts {
  readonly #store: Store
  readonly #users: UserChains
  readonly #trust: TrustStore
  readonly #me: OwnDevice
  readonly #own: OwnChain
  readonly #alarms: Alarms
  readonly #origin: string
  readonly #rules: ContactRules
  readonly #tellDevices: () => Promise<unknown>

  /** @param tellDevices sends what was decided to the user's other devices */
  constructor(
    store: Store,
    users: UserChains,
    trust: TrustStore,
    me: OwnDevice,
    own: OwnChain,
    alarms: Alarms,
    origin: string,
    rules: ContactRules,
    tellDevices: () => Promise<unknown>
  ) {
    this.#store = store
    this.#users = users
    this.#trust = trust
    this.#me = me
    this.#own = own
    this.#alarms = alarms
    this.#origin = origin
    this.#rules = rules
    this.#tellDevices = tellDevices
  }

  /** All whom this device has met, and whom the user's other devices have told about, after a look at their chains. */
  async list(): Promise<Contact[]> {
    const known = await this.#trust.list()
    // A chain that is refused has an alarm of its own. It hides no other contact.
    await this.#users.sync(known.map(([username]) => username)).catch((error: unknown) => {
      if (!isAboutOne(error) || isRefusal(error, 'too-many-requests')) throw error
    })
    const contacts: Contact[] = []
    for (const [username, trust] of known) {
      const history = await this.#users.peek(username)
      const root = history?.chain.root ?? trust.root
      const known = (await this.#trust.isUnsure(username)) ? undefined : trust
      if (username !== this.#me.username) contacts.push(toContact(username, known, root))
    }
    return contacts
  }

  async get(username: string): Promise<Contact> {
    const name = toUsername(username)
    await this.#users.sync([name])
    const { root } = (await this.#users.get(name)).chain
    return toContact(name, (await this.#trust.isUnsure(name)) ? undefined : await this.#trust.of(name), root)
  }

  /**
   * 12 groups of 5 digits. Both users see the same.
   *
   * @throws {ChatError} `displaced` or `revoked` (`untrusted`) if this device is not its user's any more
   */
  async safetyNumber(username: string): Promise<string> {
    const name = this.#otherUser(username)
    await this.#own.requireActive()
    await this.#users.sync([name, this.#me.username])
    return this.#number(await this.#users.get(name))
  }

  /**
   * Mark a user as verified: both have compared safety numbers.
   *
   * @param number as it was compared
   * @throws {ChatError} `other-safety-number` (`usage`) if it is not the one of the identity known here
   */
  async verify(username: string, number: string): Promise<void> {
    const name = this.#otherUser(username)
    await this.#requireTrust()
    const history = await this.#users.get(name)
    if (!sameDigits(number, await this.#number(history)))
      throw new ChatError('usage', 'other-safety-number', 'The safety numbers are not equal.', {
        hint: 'Somebody may stand between you. Do not accept the identity.'
      })
    await this.#verified(name, history)
  }

  /** A link for people who have an account: whoever adds it has verified this user. */
  async link(): Promise<string> {
    return formatLink({ type: 'add', url: this.#origin, ...(await this.#own.identity()) })
  }

  /**
   * Mark a user as verified who has given their link.
   *
   * @returns their name
   * @throws {ChatError} `forged-link` (`untrusted`) if the server shows another identity of the user; `invalid-link`,
   *   `other-server` (`usage`)
   */
  async add(link: string): Promise<string> {
    const given = parseLink(link)
    requireServer(given, this.#origin)
    if (given.type !== 'add')
      throw new ChatError(
        'usage',
        'no-contact',
        'This link is an invitation to register. You have an account.'
      )
    const { username, root } = given
    const name = this.#otherUser(username)
    await this.#requireTrust()
    await this.#users.sync([name])
    const history = await this.#users.get(name)
    if (history.chain.root !== root)
      throw untrusted(
        'forged-link',
        `The server shows another identity of ${name} than the link. Nothing was changed.`
      )
    await this.#verified(name, history)
    return name
  }

  /**
   * Accept a user's new identity, unverified.
   *
   * @param options.root the one that was announced
   * @throws {ChatError} `other-root` (`usage`) if the user has another one by now
   */
  async accept(username: string, { root }: { root: string }): Promise<void> {
    const name = this.#otherUser(username)
    await this.#users.sync([name])
    const history = await this.#users.get(name)
    if (history.chain.root !== root)
      throw new ChatError('usage', 'other-root', `${name} has another identity than this one.`, {
        hint: 'Look at the contact again.'
      })
    await this.#store.update((tx) => this.#trust.accept(tx, name, history))
    await this.#alarms.identityAccepted(name)
    await unlessUnsent(this.#tellDevices())
  }

  /**
   * A new device waits until another device of the user, or the backup, has told whom the user trusts. Go on
   * without that: whom it has met, or meets later, is trusted on first use, but for users who have reset.
   */
  async goOnAlone(): Promise<void> {
    await this.#store.update((tx) => this.#trust.goOnAlone(tx))
  }

  /** Who may begin a conversation with the user. */
  policy(): Promise<ContactPolicy> {
    return this.#rules.policy()
  }

  /** `everyone` begins at once, `requests` of strangers wait until they are accepted, `nobody` may: known users neither. */
  setPolicy(policy: ContactPolicy): Promise<void> {
    return this.#rules.setPolicy(policy)
  }

  /**
   * From now on the user begins no conversation with this one, and neither sees whether the other is online. Their
   * messages in common groups are not shown. They are not told.
   *
   * @throws `user-not-found`, `limit-reached` (`refused`)
   */
  async block(username: string): Promise<void> {
    await this.#rules.block(this.#otherUser(username))
  }

  unblock(username: string): Promise<void> {
    return this.#rules.unblock(username)
  }

  /** The names of the blocked users. */
  blocked(): Promise<string[]> {
    return this.#rules.blocked()
  }

  /** Whether this device still waits to hear whom the user trusts. */
  isWaiting(): Promise<boolean> {
    return this.#trust.isWaiting()
  }

  async #number({ chain }: UserHistory): Promise<string> {
    return safetyNumber((await this.#own.identity()).root, chain.root)
  }

  async #requireTrust(): Promise<void> {
    if (!(await this.#trust.isWaiting())) return
    const message = 'This device does not know yet whom your others trust.'
    const hint = 'Open one of your other devices, or go on without it.'
    throw new ChatError('usage', 'waiting-for-trust', message, { hint })
  }

  async #verified(name: string, history: UserHistory): Promise<void> {
    await this.#store.update((tx) => this.#trust.verify(tx, name, history))
    await this.#alarms.identityAccepted(name)
    await unlessUnsent(this.#tellDevices())
  }

  #otherUser(username: string): string {
    const name = toUsername(username)
    if (name !== this.#me.username) return name
    throw new ChatError(
      'usage',
      'own-username',
      'This is your own name: nobody compares, accepts or blocks themselves.'
    )
  }
}

/**
 * @param trust undefined if nobody says that a root is theirs, or only a device did that was revoked since
 * @param root the newest that is known here
 */
function toContact(username: string, trust: Trust | undefined, root: string): Contact {
  if (trust?.root !== root)
    return { username, root, status: 'changed', wasVerified: trust?.verified === true }
  return { username, root, status: trust.verified ? 'verified' : 'unverified' }
}
