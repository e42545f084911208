import type { Static, TSchema } from 'typebox'
import { AuditPage, AuditVerification, Settings, Statistics, StorageUse } from '../protocol/admin-server.js'
import {
  AdminInvite,
  AdminInvitePage,
  AdminSessionPage,
  AdminUser,
  AdminUserPage,
  CountedLimits,
  PasswordResetLink
} from '../protocol/admin.js'
import { checked } from './transport/response-schema.js'

export type {
  AdminInvite,
  AdminInvitePage,
  AdminSessionPage,
  AdminUser,
  AdminUserPage,
  AuditPage,
  AuditVerification,
  CountedLimits,
  PasswordResetLink,
  Settings,
  Statistics,
  StorageUse
}

export interface AdminRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  path: string
  body?: unknown
  /** Whether the answer has a body. */
  answers: boolean
}

/** How the calls reach the server: a `ChatClient` whose user is an admin, or the server's socket. */
export interface AdminTransport {
  /** @returns the body of the answer */
  call: (request: AdminRequest) => Promise<unknown>
}

/** Where a page of a list begins. */
export interface PageRange {
  limit?: number
  /** The `next` of the page before. */
  cursor?: string
}

type Query = Record<string, string | number | undefined>

/** The administration of a server. It reads no message, and adds no device to an account. */
export class AdminClient {
  readonly #transport: AdminTransport

  constructor(transport: AdminTransport) {
    this.#transport = transport
  }

  /** @param range.prefix the first characters of the names */
  users(range: PageRange & { prefix?: string } = {}): Promise<AdminUserPage> {
    return this.#get('/users', AdminUserPage, { ...range })
  }

  /** The audit remembers this. @throws `user-not-found` (`refused`) */
  user(username: string): Promise<AdminUser> {
    return this.#get(at('users', username), AdminUser)
  }

  /** All sessions and streams end, and none begins. Nothing is deleted. @throws `last-server-admin` */
  suspend(username: string): Promise<void> {
    return this.#do('PUT', `${at('users', username)}/suspension`)
  }

  resume(username: string): Promise<void> {
    return this.#do('DELETE', `${at('users', username)}/suspension`)
  }

  /** @throws `last-server-admin` (`refused`) */
  setRole(username: string, role: 'admin' | 'member'): Promise<void> {
    return this.#do('PUT', `${at('users', username)}/role`, { role })
  }

  /** Erase an account for good. @throws `last-server-admin` (`refused`) */
  erase(username: string): Promise<void> {
    return this.#do('DELETE', at('users', username))
  }

  /** Delete a message for good. Its readers are told. @throws `message-not-found` (`refused`) */
  purgeMessage(id: string): Promise<void> {
    return this.#do('DELETE', at('messages', id))
  }

  /** A token for a new password, good once and for an hour. The password opens no earlier message. */
  resetPassword(username: string): Promise<PasswordResetLink> {
    return this.#post(`${at('users', username)}/password-reset`, PasswordResetLink)
  }

  /** The audit remembers this. */
  async sessions(username: string): Promise<AdminSessionPage['items']> {
    return (await this.#get(`${at('users', username)}/sessions`, AdminSessionPage)).items
  }

  /** @param id only this one; all of the user's without it */
  endSessions(username: string, id?: string): Promise<void> {
    return this.#do('DELETE', `${at('users', username)}/sessions${id === undefined ? '' : at('', id)}`)
  }

  /** What counts against a user at the moment. The audit remembers this. */
  async limits(username: string): Promise<CountedLimits['items']> {
    return (await this.#get(`${at('users', username)}/limits`, CountedLimits)).items
  }

  /** Let nothing count against a user. */
  resetLimits(username: string): Promise<void> {
    return this.#do('DELETE', `${at('users', username)}/limits`)
  }

  /** An invitation to register, with its token, which is shown only here. */
  invite(
    invite: {
      note?: string
      maxUses?: number
      days?: number
      kind?: 'member' | 'bot'
      role?: 'member' | 'admin'
    } = {}
  ): Promise<AdminInvite> {
    const usual = { note: '', maxUses: 1, days: 7, kind: 'member', role: 'member' }
    return this.#post('/invites', AdminInvite, { ...usual, ...invite })
  }

  invites(range: PageRange = {}): Promise<AdminInvitePage> {
    return this.#get('/invites', AdminInvitePage, { ...range })
  }

  revokeInvite(id: string): Promise<void> {
    return this.#do('DELETE', at('invites', id))
  }

  /** What admins did, newest first. `subject` and `actor` are usernames. */
  audit(range: PageRange & { subject?: string; actor?: string; action?: string } = {}): Promise<AuditPage> {
    return this.#get('/audit', AuditPage, { ...range })
  }

  /** Check some rows of the audit. Call it again with `last`, until it is `complete`. */
  verifyAudit(
    from: { id: number; hash: string } = { id: 0, hash: '0'.repeat(64) }
  ): Promise<AuditVerification> {
    return this.#get('/audit/verification', AuditVerification, { ...from })
  }

  stats(): Promise<Statistics> {
    return this.#get('/stats', Statistics)
  }

  storage(): Promise<StorageUse> {
    return this.#get('/storage', StorageUse)
  }

  /** Tell all users something, in plain text: `ChatClient.server` shows it. Null takes it away. */
  announce(text: string | null): Promise<void> {
    return text === null ? this.#do('DELETE', '/notice') : this.#do('PUT', '/notice', { text })
  }

  /** All settings of the server. Secrets are `[redacted]`. */
  config(): Promise<Settings> {
    return this.#get('/config', Settings)
  }

  async #get<S extends TSchema>(path: string, schema: S, query: Query = {}): Promise<Static<S>> {
    const given = Object.entries(query).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)]]
    )
    const search = new URLSearchParams(given).toString()
    const whole = `/v1/admin${path}${search === '' ? '' : `?${search}`}`
    return checked(schema, await this.#transport.call({ method: 'GET', path: whole, answers: true }), path)
  }

  async #post<S extends TSchema>(path: string, schema: S, body?: unknown): Promise<Static<S>> {
    const request = { method: 'POST', path: `/v1/admin${path}`, body, answers: true } as const
    return checked(schema, await this.#transport.call(request), path)
  }

  async #do(method: 'PUT' | 'DELETE', path: string, body?: unknown): Promise<void> {
    await this.#transport.call({ method, path: `/v1/admin${path}`, body, answers: false })
  }
}

const at = (folder: string, name: string) =>
  `${folder === '' ? '' : `/${folder}`}/${encodeURIComponent(name)}`
