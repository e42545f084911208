import type { ChainDevice } from '../../protocol/user-chain.js'
import { isActive } from '../../protocol/user-history.js'
import { SessionKeyResponse } from '../../protocol/conversations.js'
import { statementText } from '../../protocol/statement-texts.js'
import { signStatement } from '../../crypto/statements.js'
import { wrapHash, wrapSessionKey, type WrapRecipient } from '../../crypto/wraps.js'
import { ChatError, isLeft, isRefusal } from '../errors.js'
import type { OwnChain } from '../identity/own-chain.js'
import type { UserChains } from '../identity/user-chains.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import { conversationIds } from '../transport/pages.js'
import { lacksKey, type SessionKeys, type UsableKey } from './store.js'

/**
 * A device of the user, by the fingerprints that the person compared or that this device made. Keys go to
 * these, whatever the chain says of the id later.
 */
export type OwnRecipient = {
  deviceId: string
  signingKey: string
  encryptionKey: string
  kemKey: string
}

/** @param device as a verified chain says, or as it said when its keys were decided on */
export function toRecipient({
  id: deviceId,
  signingKey,
  encryptionKey,
  kemKey
}: Pick<ChainDevice, 'id' | 'signingKey' | 'encryptionKey' | 'kemKey'>): OwnRecipient {
  return { deviceId, signingKey, encryptionKey, kemKey }
}

/** Session keys still to be forwarded to a device. Stored until it is done. */
type Task = {
  to: OwnRecipient
  /** Null for the keys of all conversations. */
  conversationId: string | null
  /** Hash of the key to forward, whether or not it was made for the device; undefined for all that were not. */
  only?: string
  /** Hashes of the keys that the device has by now. */
  done: string[]
}

/** Forwards this device's session keys to the user's other devices, so that they can read older messages. */
export class KeyForwarding {
  readonly #api: Api
  readonly #store: Store
  readonly #users: UserChains
  readonly #own: OwnChain
  readonly #keys: SessionKeys
  #pending: Promise<void> | null = null

  constructor(api: Api, store: Store, users: UserChains, own: OwnChain, keys: SessionKeys) {
    this.#api = api
    this.#store = store
    this.#users = users
    this.#own = own
    this.#keys = keys
  }

  /** Plan to forward every key to a device. Call it in the transaction that approves it. */
  plan(tx: StoreTransaction, to: OwnRecipient): void {
    tx.set(taskName(to, null), { to, conversationId: null, done: [] } satisfies Task)
  }

  /** Plan to forward one key to a device that its maker has left out, or may have given something else. */
  planKey(tx: StoreTransaction, to: OwnRecipient, conversationId: string, hash: string): void {
    const name = taskName(to, `${conversationId}/${hash}`)
    tx.set(name, { to, conversationId, only: hash, done: [] } satisfies Task)
  }

  /** Forward every key to a device. If this is interrupted, `resume` goes on with it. */
  async shareAll(to: OwnRecipient): Promise<void> {
    await this.#store.update((tx) => this.plan(tx, to))
    await this.resume()
    // A run that was under way may have begun before the task was stored.
    if ((await this.#store.get(taskName(to, null))) !== undefined) await this.resume()
  }

  /**
   * The user is in a conversation again. Devices that were added while the user was out lack its older keys.
   */
  async shareAfterRejoin(conversationId: string): Promise<void> {
    const { account, device } = await this.#own.requireActive()
    const { chain } = await this.#users.get(account.username)
    const others = [...chain.devices.values()].filter(({ id }) => id !== device.id)
    if (others.length === 0) return
    await this.#store.update((tx) => {
      for (const to of others.map(toRecipient))
        tx.set(taskName(to, conversationId), { to, conversationId, done: [] } satisfies Task)
    })
    this.start()
  }

  /** Go on with nobody waiting. If this is interrupted, the next connection goes on with it. */
  start(): void {
    this.resume().catch(() => undefined)
  }

  /** Go on with all tasks that are not done. */
  resume(): Promise<void> {
    this.#pending ??= this.#resume().finally(() => (this.#pending = null))
    return this.#pending
  }

  /** A task for a device that the chain does not show yet waits: the server may hide an approval that it has. */
  async #resume(): Promise<void> {
    const waiting = new Set<string>()
    for (;;) {
      const tasks = (await this.#store.list<Task>('sharing/')).filter(([name]) => !waiting.has(name))
      if (tasks.length === 0) return
      const { username } = (await this.#own.requireActive()).account
      await this.#users.sync([username])
      for (const [name, task] of tasks) {
        const standing = await this.#standingOf(task.to)
        if (standing === 'unknown') {
          waiting.add(name)
          continue
        }
        if (standing === 'meant') await this.#perform(username, name, task)
        await this.#store.update((tx) => tx.delete(name))
      }
    }
  }

  /**
   * How a device stands in the verified chain: `meant` is an active one with exactly these keys, `over` one that is
   * retired or has others, `unknown` one that the chain does not have yet. A signing key is of one device.
   */
  async #standingOf({
    signingKey,
    encryptionKey,
    kemKey
  }: OwnRecipient): Promise<'meant' | 'over' | 'unknown'> {
    const { account } = await this.#own.requireActive()
    const { chain, devices } = await this.#users.get(account.username)
    const device = devices.get(signingKey)
    if (device === undefined) return 'unknown'
    const keys = device.keys.at(-1)
    const isMeant =
      isActive(device, chain.sequence) && keys?.encryptionKey === encryptionKey && keys.kemKey === kemKey
    return isMeant ? 'meant' : 'over'
  }

  async #perform(username: string, name: string, task: Task): Promise<void> {
    const { to, done } = task
    const recipient = await this.#users.recipient({ username, id: to.deviceId, ...to })
    const ids = task.conversationId === null ? await conversationIds(this.#api) : [task.conversationId]
    for (const conversationId of ids) {
      // This device may not have all keys yet, and no other one may forward them.
      if (task.only === undefined) await this.#keys.openAll(conversationId).catch(ignoreUnusable)
      for (const hash of task.only === undefined ? await this.#keys.list(conversationId) : [task.only]) {
        if (done.includes(hash)) continue
        const key = await this.#keys.byHash(conversationId, hash).catch(unusable)
        if (key === null) continue
        if (task.only === undefined && (await this.#keys.isInRoster(key, to.signingKey))) continue
        const wrap = await this.#wrap(key, to, recipient)
        // The device may have gone while this one waited for an answer.
        if ((await this.#standingOf(to)) !== 'meant') return
        if (!(await this.#post(key, wrap))) break
        done.push(hash)
        if (done.length % 50 === 0) await this.#store.update((tx) => tx.set(name, task))
      }
    }
  }

  async #wrap({ conversationId, link, material }: UsableKey, to: OwnRecipient, recipient: WrapRecipient) {
    const { device } = await this.#own.requireActive()
    const wrappedKey = await wrapSessionKey(material, recipient, link.hash)
    const text = statementText({
      kind: 'wrap-added',
      conversation: conversationId,
      key: link.hash,
      reader: to.signingKey,
      wrap: await wrapHash(wrappedKey),
      by: device.signing.fingerprint
    })
    return { deviceId: to.deviceId, wrappedKey, statement: await signStatement(text, device.signing) }
  }

  /** @returns false if the user is not in the conversation any more, or the device is gone */
  async #post({ conversationId, link }: UsableKey, wrap: object): Promise<boolean> {
    const path = `/v1/conversations/${conversationId}/session-keys/${link.id}/wraps`
    const body = { wraps: [wrap] }
    try {
      await this.#api.call({ method: 'POST', path, body, response: SessionKeyResponse })
      return true
    } catch (error) {
      if (isRefusal(error, 'session-key-not-found')) return true
      if (!isLeft(error) && !isRefusal(error, 'device-not-found')) throw error
      return false
    }
  }
}

/** @param what a conversation, or a key of one; null for all */
function taskName({ signingKey }: OwnRecipient, what: string | null): string {
  return `sharing/${signingKey}/${what ?? ''}`
}

function unusable(error: unknown): null {
  ignoreUnusable(error)
  return null
}

/** A conversation that was left or can't be trusted does not keep back the keys of the others. */
function ignoreUnusable(error: unknown): void {
  if (!isLeft(error) && !(error instanceof ChatError && (error.kind === 'untrusted' || lacksKey(error))))
    throw error
}
