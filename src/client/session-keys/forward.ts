import { SessionKeyResponse } from '../../protocol/conversations.js'
import { wrapSessionKey } from '../../crypto/session-keys.js'
import { ChatError, RefusedError } from '../errors.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { UserChains } from '../identity/user-chains.js'
import type { CryptoKey, Store, StoreTransaction } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import { conversationIds } from '../transport/pages.js'
import type { SessionKeys } from './store.js'

/** Session keys still to be forwarded to a device. Stored until it is done. */
type Task = {
  deviceId: string
  /** Null for the keys of all conversations. */
  conversationId: string | null
  /** Ids of the keys that the device has by now. */
  done: string[]
}

/** Forwards this device's session keys to the user's other devices, so that they can read older messages. */
export class KeyForwarding {
  readonly #api: Api
  readonly #store: Store
  readonly #users: UserChains
  readonly #keys: SessionKeys
  readonly #me: OwnDevice
  #pending: Promise<void> | null = null

  constructor(api: Api, store: Store, users: UserChains, keys: SessionKeys, me: OwnDevice) {
    this.#api = api
    this.#store = store
    this.#users = users
    this.#keys = keys
    this.#me = me
  }

  /** Forward every key to one of the user's devices. If this is interrupted, `resume` goes on with it. */
  async shareAll(deviceId: string): Promise<void> {
    await this.#store.update((tx) => plan(tx, deviceId, null))
    while ((await this.#store.get(taskName(deviceId, null))) !== undefined) await this.resume()
  }

  /**
   * The user is in a conversation again. Devices that were added while the user was out lack its older keys.
   */
  async shareAfterRejoin(conversationId: string): Promise<void> {
    const user = await this.#users.get(this.#me.username)
    const others = user.devices.filter(({ id }) => id !== this.#me.active().device.id)
    if (others.length === 0) return
    await this.#store.update((tx) => others.forEach(({ id }) => plan(tx, id, conversationId)))
    this.resume().catch(() => undefined)
  }

  /** Go on with all tasks that are not done. */
  resume(): Promise<void> {
    this.#pending ??= this.#resume().finally(() => (this.#pending = null))
    return this.#pending
  }

  async #resume(): Promise<void> {
    for (;;) {
      const tasks = await this.#store.list<Task>('sharing/')
      if (tasks.length === 0) return
      const { user } = await this.#users.sync(this.#me.username)
      for (const [name, task] of tasks) {
        const device = user.devices.find(({ id }) => id === task.deviceId)
        if (device !== undefined) {
          const publicKey = await this.#users.encryptionKey(user, device.encryptionKey)
          await this.#perform(name, task, publicKey)
        }
        await this.#store.update((tx) => tx.delete(name))
      }
    }
  }

  async #perform(name: string, task: Task, publicKey: CryptoKey): Promise<void> {
    const { deviceId, done } = task
    const ids = task.conversationId === null ? await conversationIds(this.#api) : [task.conversationId]
    for (const conversationId of ids) {
      // This device may not have all keys yet, and no other one may forward them.
      await this.#keys.fetchAll(conversationId).catch(ignoreUnusable)
      for (const { id } of await this.#keys.list(conversationId)) {
        if (done.includes(id)) continue
        const key = await this.#keys.peek(conversationId, id)
        if (key === undefined || deviceId in key.roster) continue
        const wraps = [{ deviceId, wrappedKey: await wrapSessionKey(publicKey, key.material) }]
        if (!(await this.#post(conversationId, id, wraps))) break
        done.push(id)
        if (done.length % 50 === 0) await this.#store.update((tx) => tx.set(name, task))
      }
    }
  }

  /** @returns false if the user is not in the conversation any more, or the device is gone */
  async #post(conversationId: string, keyId: string, wraps: object[]): Promise<boolean> {
    const path = `/v1/conversations/${conversationId}/session-keys/${keyId}/wraps`
    try {
      await this.#api.call({ method: 'POST', path, body: { wraps }, response: SessionKeyResponse })
      return true
    } catch (error) {
      if (!(error instanceof RefusedError) || ![404, 409].includes(error.status ?? 0)) throw error
      return error.code === 'session-key-not-found'
    }
  }
}

function plan(tx: StoreTransaction, deviceId: string, conversationId: string | null): void {
  tx.set(taskName(deviceId, conversationId), { deviceId, conversationId, done: [] })
}

function taskName(deviceId: string, conversationId: string | null): string {
  return `sharing/${deviceId}/${conversationId ?? ''}`
}

/** A conversation that was left or can't be trusted does not keep back the keys of the others. */
function ignoreUnusable(error: unknown): void {
  const isLeft = error instanceof RefusedError && error.status === 404
  if (!isLeft && !(error instanceof ChatError && error.kind === 'untrusted')) throw error
}
