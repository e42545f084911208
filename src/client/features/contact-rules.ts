import { BlockPage, OwnUserResponse } from '../../protocol/contacts.js'
import type { ContactPolicy } from '../../protocol/accounts.js'
import type { FirstContact } from '../conversations/first-contact.js'
import type { Api } from '../transport/api.js'
import { pagesOf } from '../transport/pages.js'
import { toUsername } from './username.js'

const BLOCKS = '/v1/users/me/blocks'

/** Who may begin a conversation with the user, and who is blocked. */
export class ContactRules {
  readonly #api: Api
  readonly #contact: FirstContact

  constructor(api: Api, contact: FirstContact) {
    this.#api = api
    this.#contact = contact
  }

  async block(username: string): Promise<void> {
    const name = toUsername(username)
    await this.#api.call({ method: 'PUT', path: `${BLOCKS}/${name}` })
    await this.#contact.noteBlocked(name, true)
  }

  async unblock(username: string): Promise<void> {
    const name = toUsername(username)
    await this.#api.call({ method: 'DELETE', path: `${BLOCKS}/${name}` })
    await this.#contact.noteBlocked(name, false)
  }

  async blocked(): Promise<string[]> {
    const names: string[] = []
    for await (const { items } of pagesOf(this.#api, `${BLOCKS}?limit=200`, BlockPage))
      for (const { username } of items) names.push(username)
    await this.#contact.setBlocked(names)
    return names
  }

  /** A new device reads once whom the user has blocked; later it hears of changes. */
  async resume(): Promise<void> {
    if (!(await this.#contact.knowsBlocked())) await this.blocked()
  }

  async policy(): Promise<ContactPolicy> {
    const request = { method: 'GET', path: '/v1/users/me', response: OwnUserResponse } as const
    return (await this.#api.call(request)).body.settings.contactPolicy
  }

  async setPolicy(contactPolicy: ContactPolicy): Promise<void> {
    await this.#api.call({ method: 'PATCH', path: '/v1/users/me', body: { contactPolicy } })
  }
}
