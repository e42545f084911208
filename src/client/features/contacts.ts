import { UserPage } from '../../protocol/accounts.js'
import { safetyNumber } from '../../crypto/safety-number.js'
import type { Contact, UserInfo } from '../types/contacts.js'
import type { Contacts, Users } from '../types/parts.js'
import type { Core } from '../core.js'
import { ChatError } from '../errors.js'
import type { Pin } from '../identity/trust.js'
import type { StoredUser } from '../identity/user-record.js'

/** How far each user's identity is trusted. */
export class ContactBook implements Contacts {
  readonly #core: Core

  constructor(core: Core) {
    this.#core = core
  }

  async list(): Promise<Contact[]> {
    const contacts: Contact[] = []
    for (const pin of await this.#core.pins.list()) {
      const user = await this.#core.users.peek(pin.username)
      if (user !== undefined && pin.username !== this.#core.identity.username)
        contacts.push(toContact(pin, user))
    }
    return contacts
  }

  async get(username: string): Promise<Contact> {
    const { user } = await this.#core.users.sync(username.toLowerCase())
    return toContact((await this.#core.pins.get(user.username))!, user)
  }

  async safetyNumber(username: string): Promise<string> {
    await this.#core.users.sync(username.toLowerCase())
    return this.#number(username.toLowerCase())
  }

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

  async accept(username: string): Promise<void> {
    await this.#pin(username.toLowerCase(), false)
  }

  async #number(username: string): Promise<string> {
    if (username === this.#core.identity.username)
      throw new ChatError('usage', 'own-username', 'A safety number is compared with somebody else.')
    const own = await this.#core.users.get(this.#core.identity.username)
    return safetyNumber(own.root, (await this.#core.users.get(username)).root)
  }

  /** What was fetched last, and shown, is what is meant: no newer identity is slipped in. */
  async #pin(username: string, verified: boolean): Promise<void> {
    const { root } = await this.#core.users.get(username)
    const before = await this.#core.pins.get(username)
    const keeps = before?.root === root && before.verified
    await this.#core.pins.set({ username, root, verified: verified || keeps })
  }
}

function toContact(pin: Pin, { username, root }: StoredUser): Contact {
  if (pin.root !== root) return { username, status: 'changed', wasVerified: pin.verified }
  return { username, status: pin.verified ? 'verified' : 'unverified' }
}

/** Other users, as their verified chains show them. */
export class UserDirectory implements Users {
  readonly #core: Core

  constructor(core: Core) {
    this.#core = core
  }

  async find(prefix: string, limit = 50): Promise<string[]> {
    const query = `prefix=${encodeURIComponent(prefix)}&limit=${Math.min(Math.max(limit, 1), 200)}`
    const path = `/v1/users?${query}`
    const { body } = await this.#core.tokens.call({ method: 'GET', path, response: UserPage })
    return body.items.map(({ username }) => username)
  }

  async get(username: string): Promise<UserInfo> {
    const { user } = await this.#core.users.sync(username.toLowerCase())
    const { userId, root, devices } = user
    return {
      ...{ username: user.username, userId, root },
      devices: devices.map(({ id, signingKey: fingerprint }) => ({ id, fingerprint }))
    }
  }
}
