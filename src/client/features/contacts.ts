import { safetyNumber } from '../../crypto/safety-number.js'
import { ChatError } from '../errors.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { Pin, TrustStore } from '../identity/trust-store.js'
import type { UserChains } from '../identity/user-chains.js'
import type { StoredUser } from '../identity/user-record.js'
import type { Contact } from '../types/contacts.js'

/** Users whose identity this device has met, and how far it is trusted. */
export class Contacts {
  readonly #users: UserChains
  readonly #trust: TrustStore
  readonly #me: OwnDevice

  constructor(users: UserChains, trust: TrustStore, me: OwnDevice) {
    this.#users = users
    this.#trust = trust
    this.#me = me
  }

  async list(): Promise<Contact[]> {
    const contacts: Contact[] = []
    for (const pin of await this.#trust.list()) {
      const user = await this.#users.peek(pin.username)
      if (user !== undefined && pin.username !== this.#me.username) contacts.push(toContact(pin, user))
    }
    return contacts
  }

  async get(username: string): Promise<Contact> {
    const { user } = await this.#users.sync(username.toLowerCase())
    return toContact((await this.#trust.get(user.username))!, user)
  }

  /** 12 groups of 5 digits. Both users see the same. */
  async safetyNumber(username: string): Promise<string> {
    await this.#users.sync(username.toLowerCase())
    return this.#number(username.toLowerCase())
  }

  /**
   * Mark a user as verified: the safety numbers were compared and are equal. `number`, if given, is checked.
   */
  async verify(username: string, number?: string): Promise<void> {
    if (number !== undefined && !/^(\s*\d){60}\s*$/.test(number))
      throw new ChatError('usage', 'malformed-number', 'A safety number has 60 digits, in 12 groups of 5.')
    const shown = await this.#number(username.toLowerCase())
    if (number !== undefined && number.replace(/\s/g, '') !== shown.replace(/\s/g, ''))
      throw new ChatError('usage', 'other-safety-number', 'The safety numbers are not equal.', {
        hint: 'Somebody may stand between you. Do not accept the identity.'
      })
    await this.#pin(username.toLowerCase(), true)
  }

  /** Accept a user's new identity, unverified. */
  async accept(username: string): Promise<void> {
    await this.#pin(username.toLowerCase(), false)
  }

  async #number(username: string): Promise<string> {
    if (username === this.#me.username)
      throw new ChatError('usage', 'own-username', 'A safety number is compared with somebody else.')
    const own = await this.#users.get(this.#me.username)
    return safetyNumber(own.root, (await this.#users.get(username)).root)
  }

  /** Pins the identity that was fetched last, which the user has seen, and not a newer one. */
  async #pin(username: string, verified: boolean): Promise<void> {
    const { root } = await this.#users.get(username)
    const before = await this.#trust.get(username)
    const isVerified = verified || (before?.root === root && before.verified)
    await this.#trust.set({ username, root, verified: isVerified })
  }
}

function toContact(pin: Pin, { username, root }: StoredUser): Contact {
  if (pin.root !== root) return { username, status: 'changed', wasVerified: pin.verified }
  return { username, status: pin.verified ? 'verified' : 'unverified' }
}
