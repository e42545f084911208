import { SessionPage } from '../../protocol/accounts.js'
import type { Api } from '../transport/api.js'
import type { SessionInfo } from '../types/account.js'

/** The user's sessions, on all devices. */
export class Sessions {
  readonly #api: Api

  constructor(api: Api) {
    this.#api = api
  }

  async list(): Promise<SessionInfo[]> {
    const request = { method: 'GET', path: '/v1/auth/sessions', response: SessionPage } as const
    return (await this.#api.call(request)).body.items
  }

  async end(id: string): Promise<void> {
    await this.#api.call({ method: 'DELETE', path: `/v1/auth/sessions/${encodeURIComponent(id)}` })
  }
}
