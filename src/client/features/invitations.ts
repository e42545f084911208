import * as Type from 'typebox'
import { encodeBase64 } from '../../crypto/encoding.js'
import { sha256Hex } from '../../crypto/hash.js'
import { INVITATION_SECRET_BYTES } from '../../crypto/invitations.js'
import { BASE64URL_16 } from '../../protocol/ids.js'
import { nullable } from '../../protocol/schema.js'
import type { ConversationChains } from '../conversations/chains.js'
import { ChatError } from '../errors.js'
import type { OpenInvitations } from '../identity/open-invitations.js'
import type { OwnChain } from '../identity/own-chain.js'
import type { Api } from '../transport/api.js'
import { pagesOf } from '../transport/pages.js'
import type { CreatedInvitation, Invitation, NewInvitation } from '../types/invitations.js'
import { formatLink } from './links.js'

const DAY_MS = 24 * 3600 * 1000

// The protocol's own schemas would be the larger part of this.
const [text, number] = [Type.String(), Type.Integer()]
const Created = Type.Object({
  id: text,
  expiresAt: text,
  token: Type.String({ pattern: `^${BASE64URL_16}$` })
})
const Page = Type.Object({
  items: Type.Array(
    Type.Object({
      id: text,
      note: text,
      maxUses: number,
      uses: number,
      usedBy: Type.Array(Type.Object({ username: text, usedAt: text })),
      createdAt: text,
      expiresAt: text,
      revokedAt: nullable(text)
    })
  ),
  next: nullable(text)
})

/** Links for people who have no account yet. */
export class Invitations {
  readonly #api: Api
  readonly #own: OwnChain
  readonly #chains: ConversationChains
  readonly #open: OpenInvitations
  readonly #now: () => number

  constructor(api: Api, own: OwnChain, chains: ConversationChains, open: OpenInvitations, now: () => number) {
    this.#api = api
    this.#own = own
    this.#chains = chains
    this.#open = open
    this.#now = now
  }

  /**
   * Make a link. A person who registers with it has verified this user. If it is for one person, this device then
   * verifies them, too, and tells so with the event `invitation-accepted`.
   *
   * @throws {ChatError} `not-admin` or `too-many-invitations` (`usage`); `registration-closed` or `limit-reached`
   *   (`refused`)
   */
  async create(given: NewInvitation = {}): Promise<CreatedInvitation> {
    const { groups = [], uses = 1, days = 7, note } = given
    const { username, root } = await this.#own.identity()
    for (const id of new Set(groups)) await this.#requireAdmin(id, username)
    await this.#open.requireCapacity()
    const body = { maxUses: uses, days, ...(note !== undefined && { note }) }
    const request = {
      method: 'POST',
      path: '/v1/invites',
      body,
      response: Created,
      once: true
    } as const
    const { id, token, expiresAt } = (await this.#api.call(request)).body
    const secret = crypto.getRandomValues(new Uint8Array(INVITATION_SECRET_BYTES))
    await this.#open.keep(await sha256Hex(token), {
      id,
      secret,
      root,
      groups: [...new Set(groups)],
      maxUses: uses,
      uses: 0,
      expiresAt: this.#now() + days * DAY_MS
    })
    const inviter = { username, root, secret: toBase64Url(secret) }
    return { id, link: formatLink({ type: 'join', url: this.#api.origin, token, inviter }), expiresAt }
  }

  /** All invitations of this user, newest first. */
  async list(): Promise<Invitation[]> {
    const here = new Map((await this.#open.list()).map((one) => [one.id, one]))
    const found: Invitation[] = []
    for await (const { items } of pagesOf(this.#api, '/v1/invites?limit=200', Page))
      for (const { id, note, maxUses, uses, usedBy, createdAt, expiresAt, revokedAt } of items) {
        const made = here.get(id)
        const local = { isFromHere: made !== undefined, groups: made?.groups ?? [] }
        found.push({ id, note, maxUses, uses, usedBy, createdAt, expiresAt, revokedAt, ...local })
      }
    return found
  }

  /**
   * The link admits nobody any more. The device that made it also forgets its secret: then it verifies nobody either,
   * who has registered already and whose first message has not come.
   *
   * @throws `invite-not-found` (`refused`)
   */
  async revoke(id: string): Promise<void> {
    await this.#open.forget(id)
    const path = `/v1/invites/${encodeURIComponent(id)}`
    await this.#api.call({ method: 'DELETE', path })
  }

  async #requireAdmin(id: string, username: string): Promise<void> {
    const { chain } = await this.#chains.get(id)
    if (chain.kind === 'group' && chain.members.get(username)?.role === 'admin') return
    throw new ChatError('usage', 'not-admin', `You can't add anybody to ${id}: you are no admin of it.`)
  }
}

function toBase64Url(bytes: Uint8Array): string {
  return encodeBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}
