import { AuthResponse } from '../../protocol/accounts.js'
import { ChatError, isRefusal, untrusted } from '../errors.js'
import type { DeviceKeys } from '../identity/device-keys.js'
import { EMPTY_CHAIN, newDevice } from '../identity/device-statements.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { TrustStore } from '../identity/trust-store.js'
import type { UserChains } from '../identity/user-chains.js'
import type { StoreTransaction } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import type { Http } from '../transport/http.js'
import type { Account, Credentials, Registration as Given } from '../types/account.js'
import type { Link } from '../types/invitations.js'
import type { Auth } from './auth.js'
import type { Linking } from './linking.js'
import { parseLink, requireServer } from './links.js'
import { forgedInvitation, helloOf, planHello } from './newcomers.js'
import { ownCredentials, signInAs } from './sign-in.js'

type Join = Extract<Link, { type: 'join' }>

/** Makes accounts, with an invitation or without one. */
export class Registration {
  readonly #http: Http
  readonly #api: Api
  readonly #me: OwnDevice
  readonly #users: UserChains
  readonly #trust: TrustStore
  readonly #linking: Linking
  readonly #auth: Auth

  constructor(
    http: Http,
    api: Api,
    me: OwnDevice,
    users: UserChains,
    trust: TrustStore,
    linking: Linking,
    auth: Auth
  ) {
    this.#http = http
    this.#api = api
    this.#me = me
    this.#users = users
    this.#trust = trust
    this.#linking = linking
    this.#auth = auth
  }

  async register({ invite, ...given }: Given): Promise<Account> {
    const link = invite === undefined ? null : this.#invitation(invite)
    const credentials = ownCredentials(given, this.#me)
    const device = await this.#me.prepare(credentials.username, credentials.deviceName ?? 'device')
    const session = await this.#post(credentials, device, link?.token)
    await this.#api.begin(session)
    if (!(await this.#linking.isLinked(device)))
      throw untrusted('swapped-key', 'The server shows another account than the one that was made.')
    const also = link?.inviter ? await this.#meet(link.token, link.inviter, device) : undefined
    return this.#auth.activate(device, session.user.id, '0', also)
  }

  /** Ask the server for its refusal while it costs nobody anything. */
  async check({ username, invite }: Omit<Given, 'password'>): Promise<void> {
    const link = invite === undefined ? null : this.#invitation(invite)
    const { username: name } = ownCredentials({ username, password: '' }, this.#me)
    const body = { username: name, ...(link !== null && { invite: link.token }) }
    try {
      await this.#http.call({ method: 'POST', path: '/v1/auth/register/check', body })
    } catch (error) {
      if (this.#me.device?.username !== name || !isPerhapsOwn(error)) throw error
    }
  }

  #invitation(given: string): Join {
    const link = parseLink(given)
    requireServer(link, this.#http.origin)
    if (link.type === 'join') return link
    throw new ChatError('usage', 'no-invitation', 'This link is for people who have an account.', {
      hint: 'Register without it, then add it to your contacts.'
    })
  }

  /** Only the token of the invitation is sent. */
  async #post(credentials: Credentials, device: DeviceKeys, invite?: string): Promise<AuthResponse> {
    const { username, password } = credentials
    const statement = await newDevice('device-add', device, EMPTY_CHAIN)
    const body = { username, password, device: statement, ...(invite !== undefined && { invite }) }
    const path = '/v1/auth/register'
    const request = { method: 'POST', path, body, response: AuthResponse, once: true } as const
    try {
      return (await this.#http.call(request)).body
    } catch (error) {
      if (!isPerhapsOwn(error)) throw error
      const session = await signInAs(this.#http, credentials, device.id).catch((again: unknown) => {
        if (isRefusal(again, 'invalid-credentials')) return null
        throw again
      })
      if (session === null) throw error
      return session
    }
  }

  /**
   * Look at the inviter before the account is used: the link says under which root they are to be known.
   *
   * @returns writes for the transaction that makes the account
   * @throws {ChatError} `forged-invitation` (`untrusted`); the session ends
   */
  async #meet(
    token: string,
    { username, root, secret }: NonNullable<Join['inviter']>,
    device: DeviceKeys
  ): Promise<(tx: StoreTransaction) => Promise<void>> {
    const { history } = await this.#users.shown.of(username)
    if (history.chain.root !== root) {
      await this.#auth.logout()
      throw forgedInvitation(username)
    }
    const said = await helloOf(token, { root, secret }, device.signing.fingerprint)
    const hello = { id: crypto.randomUUID(), root, ...said }
    return async (tx) => {
      await this.#trust.verify(tx, username, history)
      planHello(tx, username, hello)
    }
  }
}

/** Whether this device may have taken the name itself, and used the invitation, and the response was lost. */
function isPerhapsOwn(error: unknown): boolean {
  return isRefusal(error, 'username-taken', 'invitation-unavailable')
}
