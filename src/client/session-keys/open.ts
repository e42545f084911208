import { SessionKeyResponse, type SessionKey } from '../../protocol/conversations.js'
import type { ChainKey } from '../../protocol/conversation-chain.js'
import type { ChainDevice } from '../../protocol/user-chain.js'
import { parseStatement } from '../../protocol/parse-statement.js'
import { RuleViolation } from '../../protocol/rule-violation.js'
import { CryptoError } from '../../crypto/errors.js'
import type { SessionKey as KeyMaterial } from '../../crypto/session-keys.js'
import { verifyStatement } from '../../crypto/statements.js'
import { unwrapSessionKey, wrapHash, type UnwrapKeys } from '../../crypto/wraps.js'
import type { ConversationChains } from '../conversations/chains.js'
import { ChatError, toUntrusted, untrusted, withDetails, isLeft, isRefusal } from '../errors.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { UserChains } from '../identity/user-chains.js'
import type { Api } from '../transport/api.js'

type Added = SessionKey['added'][number]
type Opened = (conversationId: string, link: ChainKey, isLate: boolean) => Promise<void>

/** Fetches and opens the wraps that were made for this device (protocol, "Wraps"). */
export class KeyOpener {
  readonly #api: Api
  readonly #users: UserChains
  readonly #chains: ConversationChains
  readonly #me: OwnDevice
  readonly #opened: Opened

  /** @param opened called with each key before it is stored, and with whether a later wrap has brought it */
  constructor(api: Api, users: UserChains, chains: ConversationChains, me: OwnDevice, opened: Opened) {
    this.#api = api
    this.#users = users
    this.#chains = chains
    this.#me = me
    this.#opened = opened
  }

  /**
   * @param link of a verified chain, with a verified roster
   * @throws {ChatError} `no-session-key` if the server has no wrap for this device, `unreadable-key` if none
   *   opens with the keys that it has (`usage`); `bad-wrap` (`untrusted`) if the maker's does not open with the keys
   *   that it was made for, `wrong-commitment` (`untrusted`) if a wrap holds another key
   */
  async open(conversationId: string, link: ChainKey): Promise<KeyMaterial> {
    const { material, isLate } = await this.#open(conversationId, link)
    // A crash in between forgets no plan: the key is stored later.
    await this.#opened(conversationId, link, isLate)
    return material
  }

  async #open(conversationId: string, link: ChainKey): Promise<{ material: KeyMaterial; isLate: boolean }> {
    const served = await this.#fetch(conversationId, link)
    const statement = { hash: link.hash, sessionKey: link.id, commitment: link.commitment }
    const about = { username: link.username }
    let failure: CryptoError | null = null
    let isMadeWrong: boolean
    try {
      const line = await this.#lineOf(conversationId, link)
      // A maker wraps for the devices of the roster. A wrap for another one would show what is not meant for it.
      const wraps = served.wrappedKey === undefined || line === undefined ? [] : [served.wrappedKey]
      const isByMaker = wraps.length > 0
      isMadeWrong = isByMaker && (await this.#me.unwrapKeys(line!.encryptionKey)) !== undefined
      for (const added of served.added.slice(0, MAX_ADDED))
        if (await this.#isByOwnDevice(conversationId, link, added)) wraps.push(added.wrappedKey)
      for (const keys of await this.#keysFor(line))
        for (const wrapped of wraps)
          try {
            return {
              material: await unwrapSessionKey(wrapped, keys, statement),
              isLate: !isByMaker || wrapped !== wraps[0]
            }
          } catch (error) {
            if (!(error instanceof CryptoError) || !TRY_NEXT.has(error.code)) throw error
            if (failure === null || error.code === 'wrong-commitment') failure = error
          }
    } catch (error) {
      throw toUntrusted(error, 'A session key')
    }
    const what = `A session key that ${link.username} has made`
    // Its maker has given this device another key than the others.
    if (failure?.code === 'wrong-commitment') throw withDetails(toUntrusted(failure, what), { about })
    if (isMadeWrong)
      throw withDetails(
        untrusted('bad-wrap', `${what} does not open: what came for this device is no wrap of it.`),
        {
          about
        }
      )
    throw new ChatError('usage', 'unreadable-key', 'No wrap of a session key opens with this device’s keys.')
  }

  async #fetch(conversationId: string, { id, hash }: ChainKey): Promise<SessionKey> {
    const path = `/v1/conversations/${conversationId}/session-keys/${id}`
    try {
      const { body } = await this.#api.call({ method: 'GET', path, response: SessionKeyResponse })
      if (body.sessionKey.id !== id)
        throw untrusted('forged-session-key', `The server shows another session key in the place of ${hash}.`)
      return body.sessionKey
    } catch (cause) {
      if (!isLeft(cause) && !isRefusal(cause, 'session-key-not-found')) throw cause
      const message = 'No session key for this message was wrapped for this device.'
      throw new ChatError('usage', 'no-session-key', message, { cause })
    }
  }

  /** This device in the roster of a session key. */
  async #lineOf(conversationId: string, link: ChainKey): Promise<ChainDevice | undefined> {
    const { history } = await this.#chains.get(conversationId)
    const users = await this.#chains.users(conversationId)
    const found = history.rosterDevices(link, this.#me.signingKey, users)
    return found.find(({ username }) => username === this.#me.username)?.device
  }

  /** The keys that can open the wraps, those of the roster's line first. */
  async #keysFor(line: ChainDevice | undefined): Promise<UnwrapKeys[]> {
    const named = line && (await this.#me.unwrapKeys(line.encryptionKey))
    return [...(named === undefined ? [] : [named]), ...(await this.#me.allUnwrapKeys())]
  }

  /** A later wrap counts if a device of the own user has signed it, for this device and this key. */
  async #isByOwnDevice(conversationId: string, link: ChainKey, added: Added): Promise<boolean> {
    try {
      const { wrappedKey, statement: signed } = added
      const { conversation, key, reader, wrap, by } = parseStatement(signed.text, ['wrap-added'])
      const isMeant =
        conversation === conversationId &&
        key === link.hash &&
        reader === this.#me.signingKey &&
        wrap === (await wrapHash(wrappedKey))
      const own = await this.#users.get(this.#me.username)
      if (!isMeant || own.devices.get(by)?.purpose !== 'chat') return false
      await verifyStatement(signed, new Map([[by, await this.#users.signingKey(by)]]))
      return true
    } catch (error) {
      // Whatever stands beside a good wrap, it keeps nothing back.
      if (error instanceof CryptoError || error instanceof RuleViolation) return false
      throw error
    }
  }
}

/** Most later wraps of one key for one device. */
const MAX_ADDED = 16
/** Another wrap, or another of the own keys, may still open. */
const TRY_NEXT: ReadonlySet<string> = new Set(['bad-wrap', 'bad-encoding', 'wrong-commitment'])
