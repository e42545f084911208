import { statementHash } from '../../crypto/statements.js'
import type { SignedStatement } from '../../protocol/schema.js'
import type { ConversationChains } from '../conversations/chains.js'
import type { VerifiedConversation } from '../conversations/record.js'
import { ChatError, isAboutOne, isRefusal } from '../errors.js'
import { revocation } from '../identity/device-statements.js'
import type { ErasedUsers } from '../identity/erased-users.js'
import type { OwnChain } from '../identity/own-chain.js'
import type { UserChains } from '../identity/user-chains.js'
import type { Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import type { Http } from '../transport/http.js'
import { conversationIds } from '../transport/pages.js'
import { retryOnConflict } from '../transport/retry-on-conflict.js'
import type { DeviceInfo } from '../types/devices.js'
import type { PasswordChange } from '../types/own-account.js'
import type { Auth } from './auth.js'
import type { Devices } from './devices.js'
import type { Membership } from './membership.js'
import { noteSent, wasSent } from './sent-erasure.js'
import { normalizedCredentials, signIn } from './sign-in.js'

const TRIES = 5
const PASSWORD = '/v1/auth/password'
const ERASURE = '/v1/users/me/erasure'

/** The password of the account, and its end. */
export class OwnAccount {
  readonly #http: Http
  readonly #api: Api
  readonly #store: Store
  readonly #users: UserChains
  readonly #own: OwnChain
  readonly #chains: ConversationChains
  readonly #erased: ErasedUsers
  readonly #membership: Membership
  readonly #devices: Devices
  readonly #auth: Auth

  constructor(
    http: Http,
    api: Api,
    store: Store,
    users: UserChains,
    own: OwnChain,
    chains: ConversationChains,
    erased: ErasedUsers,
    membership: Membership,
    devices: Devices,
    auth: Auth
  ) {
    this.#http = http
    this.#api = api
    this.#store = store
    this.#users = users
    this.#own = own
    this.#chains = chains
    this.#erased = erased
    this.#membership = membership
    this.#devices = devices
    this.#auth = auth
  }

  /** Once more with the same passwords does no harm, also if the answer was lost. */
  async changePassword({
    currentPassword: current,
    newPassword: next,
    revokeOthers = false
  }: PasswordChange): Promise<{ revoked: DeviceInfo[] }> {
    const [currentPassword, newPassword] = [normalized(current), normalized(next)]
    await this.#postPassword(currentPassword, newPassword).catch(async (error: unknown) => {
      if (!isRefusal(error, 'wrong-password')) throw error
      // The first try may have changed it already.
      await this.#postPassword(newPassword, newPassword).catch((again: unknown) => {
        throw isRefusal(again, 'wrong-password') ? error : again
      })
    })
    if (!revokeOthers) return { revoked: [] }
    const others = (await this.#devices.list()).filter(
      ({ status, purpose, current: isThis }) => status === 'active' && purpose === 'chat' && !isThis
    )
    for (const { id } of others) await this.#devices.revoke(id)
    return { revoked: others }
  }

  /**
   * Leave all groups, revoke all devices, have the server erase the account, and destroy the keys. If it is
   * interrupted, the next call goes on.
   *
   * @returns the groups that the user could not leave, and stays in as an erased member
   */
  async delete(given: { password: string }): Promise<{ stayedIn: string[] }> {
    const password = normalized(given.password)
    let stayedIn: string[] = []
    try {
      await this.#postErasure({ password, statements: [], dryRun: true })
      stayedIn = await this.#leaveAll()
      await this.#devices.resume()
      await retryOnConflict(
        (error) => isRefusal(error, 'stale-chain'),
        TRIES,
        () => this.#erase(password)
      )
    } catch (error) {
      if (!(await this.#isErased(error, password))) throw error
    }
    await this.#api.end()
    await this.#auth.logout({ forget: true })
    return { stayedIn }
  }

  async #erase(password: string): Promise<void> {
    const statements = await this.#revocations()
    await noteSent(this.#store, password)
    await this.#postErasure({ password, statements })
  }

  /** Revocations of all devices, this one last. Made again at the same end of the chain they are the same. */
  async #revocations(): Promise<SignedStatement[]> {
    const { account, device } = await this.#own.requireActive()
    const { username } = account
    await this.#users.sync([username])
    const { chain } = await this.#users.get(username)
    const others = [...chain.devices.keys()].filter((id) => id !== device.id)
    const statements: SignedStatement[] = []
    let { sequence, head } = chain
    for (const id of [...others, device.id]) {
      const { signed } = await revocation(username, id, { sequence, head }, device.signing)
      statements.push(signed)
      sequence++
      head = await statementHash(signed.text)
    }
    return statements
  }

  /** The server lets neither the session nor the password in, which it did: the answer to the erasure was lost. */
  async #isErased(error: unknown, password: string): Promise<boolean> {
    if (!(error instanceof ChatError) || error.kind !== 'logged-out') return false
    const { account } = this.#auth
    if (account === null || !(await wasSent(this.#store, password))) return false
    return signIn(this.#http, { username: account.username, password }).then(
      () => false,
      (refusal: unknown) => isRefusal(refusal, 'invalid-credentials')
    )
  }

  /** @returns the groups that could not be left */
  async #leaveAll(): Promise<string[]> {
    const stayedIn: string[] = []
    for (const id of await conversationIds(this.#api))
      await this.#leave(id).catch((error: unknown) => {
        if (!isAboutOne(error)) throw error
        stayedIn.push(id)
      })
    return stayedIn
  }

  async #leave(id: string): Promise<void> {
    const { conversation } = await this.#chains.sync(id)
    if (conversation.chain.kind !== 'group') return
    const successor = await this.#successor(conversation)
    if (successor !== undefined) await this.#membership.setRole(id, successor, 'admin')
    await this.#membership.leave(id)
  }

  /** The member to become an admin because this user is the last one: who has been in for longest, and can act. */
  async #successor({ id, chain: { members } }: VerifiedConversation): Promise<string | undefined> {
    const me = this.#auth.account!.username
    const others = [...members].filter(([name]) => name !== me)
    if (members.get(me)?.role !== 'admin' || others.some(([, { role }]) => role === 'admin')) return undefined
    const users = await this.#chains.users(id)
    const erased = await this.#erased.among(others.map(([name]) => name))
    const canAct = ([name, { root }]: (typeof others)[number]) => {
      const chain = users.get(name)?.chain
      return !erased.has(name) && chain?.root === root && chain.devices.size > 0
    }
    return others.find(canAct)?.[0]
  }

  async #postPassword(currentPassword: string, newPassword: string): Promise<void> {
    const body = { currentPassword, newPassword }
    await this.#api.call({ method: 'POST', path: PASSWORD, body, once: true })
  }

  async #postErasure(body: {
    password: string
    statements: SignedStatement[]
    dryRun?: boolean
  }): Promise<void> {
    await this.#api.call({ method: 'POST', path: ERASURE, body })
  }
}

function normalized(password: string): string {
  return normalizedCredentials({ username: 'user', password }).password
}
