import type { SessionKey } from '../../protocol/conversations.js'
import { parseStatement, type Statement } from '../../protocol/statements.js'
import { CryptoError } from '../../crypto/errors.js'
import { rosterHash, unwrapSessionKey } from '../../crypto/session-keys.js'
import { verifyStatement } from '../../crypto/statements.js'
import type { ConversationChains } from '../conversations/chains.js'
import { ChatError, toUntrusted, untrusted } from '../errors.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { UserChains } from '../identity/user-chains.js'
import type { StoredUser } from '../identity/user-record.js'
import { inGroups } from '../transport/groups.js'

/** A verified session key as it is stored. */
export type StoredKey = {
  id: string
  conversationId: string
  key: Uint8Array
  /** Hash of the newest statement of the conversation's chain when the key was made. */
  head: string
  /** Hash of the roster. */
  rosterHash: string
  /** Fingerprint of the maker's signing key. */
  by: string
  /** The devices that may send under it: device id → username and signing key fingerprint. */
  roster: Record<string, { username: string; signingKey: string }>
  /** By the server's clock. */
  createdAt: string
}

type Owner = { username: string; device: string }

/** Verifies and unwraps session keys (protocol, "Session key" and "Judging the past"). */
export class SessionKeyVerifier {
  readonly #users: UserChains
  readonly #chains: ConversationChains
  readonly #me: OwnDevice

  constructor(users: UserChains, chains: ConversationChains, me: OwnDevice) {
    this.#users = users
    this.#chains = chains
    this.#me = me
  }

  /**
   * @throws {ChatError} `untrusted` if a check fails; `unreadable-key` (`usage`) if it was wrapped for an
   *   encryption key that this device has destroyed
   */
  async verify(conversationId: string, item: SessionKey): Promise<StoredKey> {
    try {
      const statement = parseStatement(item.statement.text, ['session-key'])
      const forged = (why: string) => untrusted('forged-session-key', `A session key is forged: ${why}.`)
      if (statement.conversation !== conversationId) throw forged('it is of another conversation')
      if (statement.sessionKey !== item.id) throw forged('it bears another id')
      if ((await rosterHash(item.roster)) !== statement.roster)
        throw forged('its roster is not the one that was signed')
      if (!item.roster.some(({ signingKey }) => signingKey === statement.by))
        throw forged('its maker is not in its roster')
      const roster = await this.#roster(conversationId, statement, item.roster)
      await this.#requireMaker(roster, statement, item)
      const key = await this.#unwrapped(item, statement)
      const { head, by, roster: hash } = statement
      return {
        id: item.id,
        conversationId,
        key,
        head,
        by,
        rosterHash: hash,
        roster,
        createdAt: item.createdAt
      }
    } catch (error) {
      throw toUntrusted(error, 'A session key')
    }
  }

  async #requireMaker(
    roster: StoredKey['roster'],
    statement: Statement<'session-key'>,
    { statement: signed }: SessionKey
  ): Promise<void> {
    const maker = Object.values(roster).find(({ signingKey }) => signingKey === statement.by)!
    const user = await this.#users.get(maker.username)
    await verifyStatement(signed, new Map([[statement.by, await this.#users.signingKey(user, statement.by)]]))
  }

  /**
   * The device of each line. All have to belong to members, under the roots that the chain named at that
   * head.
   */
  async #roster(
    id: string,
    { head }: Statement<'session-key'>,
    lines: SessionKey['roster']
  ): Promise<StoredKey['roster']> {
    let roots = await this.#chains.rootsAt(id, head)
    if (roots === null) {
      await this.#chains.sync(id)
      roots = await this.#chains.rootsAt(id, head)
    }
    if (roots === null)
      throw untrusted(
        'forked-chain',
        'A session key names a statement that is not in the conversation’s chain.'
      )
    const owners = await this.#owners(roots, lines)
    const roster: StoredKey['roster'] = {}
    for (const [at, { username, device }] of owners.entries())
      roster[device] = { username, signingKey: lines[at]!.signingKey }
    return roster
  }

  async #owners(roots: ReadonlyMap<string, string>, lines: SessionKey['roster']): Promise<Owner[]> {
    const index = new Map<string, Owner>()
    const add = (user: StoredUser | undefined): void => {
      for (const { device, root, signingKey, encryptionKey } of user?.bindings ?? [])
        if (root === roots.get(user!.username))
          index.set(`${signingKey} ${encryptionKey}`, { username: user!.username, device })
    }
    const find = () =>
      lines.map(({ signingKey, encryptionKey }) => index.get(`${signingKey} ${encryptionKey}`))
    for (const username of roots.keys()) add(await this.#users.peek(username))
    if (find().includes(undefined))
      for (const { user } of await inGroups([...roots.keys()], (username) => this.#users.sync(username)))
        add(user)
    return find().map((owner) => {
      if (owner === undefined)
        throw untrusted('ghost-device', 'A session key was wrapped for a device that belongs to no member.')
      return owner
    })
  }

  async #unwrapped(item: SessionKey, statement: Statement<'session-key'>): Promise<Uint8Array> {
    const { device } = this.#me.active()
    for (const pair of [device.encryption, device.next])
      try {
        if (pair === null) continue
        const expected = { id: item.id, commitment: statement.commitment }
        return (await unwrapSessionKey(pair.privateKey, item.wrappedKey, expected)).bytes
      } catch (error) {
        if (!(error instanceof CryptoError) || error.code !== 'bad-wrap') throw error
      }
    // Another process of this device may have replaced its encryption key.
    await this.#me.load()
    if (this.#me.active().device.encryption.fingerprint !== device.encryption.fingerprint)
      return this.#unwrapped(item, statement)
    throw new ChatError(
      'usage',
      'unreadable-key',
      'A session key was not wrapped for a key that this device has.'
    )
  }
}
