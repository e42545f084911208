import { SessionKeyResponse } from '../../protocol/conversations.js'
import { wrap } from '../../crypto/session-keys.js'
import type { Core } from '../core.js'
import { ChatError, RefusedError } from '../errors.js'
import { conversationIds } from '../transport/pages.js'
import type { StoreTransaction } from '../stores/store.js'

/** Session keys that are still to be passed on to a device, kept until it is done. */
type Task = {
  deviceId: string
  /** Of this conversation alone. */
  conversationId: string | null
  done: string[]
}

/** Passes on the session keys of this device to another one of the user, so that it reads the past. */
export class KeyForwarding {
  readonly #core: Core
  #underWay: Promise<void> | null = null

  constructor(core: Core) {
    this.#core = core
  }

  /** Share every key with one of the user's devices; what is not done now is done by `resume`. */
  async begin(deviceId: string): Promise<void> {
    await this.#core.store.update((tx) => plan(tx, deviceId, null))
    while ((await this.#core.store.get(taskName(deviceId, null))) !== undefined) await this.resume()
  }

  /** The user is in a conversation again: devices that came meanwhile lack the keys of the time before. */
  async rejoined(conversationId: string): Promise<void> {
    const user = await this.#core.users.get(this.#core.identity.username)
    const others = user.devices.filter(({ id }) => id !== this.#core.identity.active().device.id)
    if (others.length === 0) return
    await this.#core.store.update((tx) => others.forEach(({ id }) => plan(tx, id, conversationId)))
    this.resume().catch(() => undefined)
  }

  /** Go on with what was begun. */
  resume(): Promise<void> {
    this.#underWay ??= this.#resume().finally(() => (this.#underWay = null))
    return this.#underWay
  }

  async #resume(): Promise<void> {
    for (;;) {
      const tasks = await this.#core.store.list<Task>('sharing/')
      if (tasks.length === 0) return
      const { user } = await this.#core.users.sync(this.#core.identity.username)
      for (const [name, task] of tasks) {
        const device = user.devices.find(({ id }) => id === task.deviceId)
        if (device !== undefined) {
          const publicKey = await this.#core.users.encryptionKey(user, device.encryptionKey)
          await this.#shareAll(name, task, publicKey)
        }
        await this.#core.store.update((tx) => tx.delete(name))
      }
    }
  }

  async #shareAll(name: string, task: Task, publicKey: Parameters<typeof wrap>[0]): Promise<void> {
    const { deviceId, done } = task
    const ids =
      task.conversationId === null ? await conversationIds(this.#core.tokens) : [task.conversationId]
    for (const conversationId of ids) {
      // Some may not have come with an event yet, and no other device may pass them on.
      await this.#core.keys.fetchAll(conversationId).catch(passOver)
      for (const { id } of await this.#core.keys.list(conversationId)) {
        if (done.includes(id)) continue
        const held = await this.#core.keys.peek(conversationId, id)
        if (held === undefined || deviceId in held.roster) continue
        const wraps = [{ deviceId, wrappedKey: await wrap(publicKey, held.material) }]
        if (!(await this.#post(conversationId, id, wraps))) break
        done.push(id)
        if (done.length % 50 === 0) await this.#core.store.update((tx) => tx.set(name, task))
      }
    }
  }

  /** @returns false if the user is in the conversation no more, or the device is gone */
  async #post(conversationId: string, keyId: string, wraps: object[]): Promise<boolean> {
    const path = `/v1/conversations/${conversationId}/session-keys/${keyId}/wraps`
    try {
      await this.#core.tokens.call({ method: 'POST', path, body: { wraps }, response: SessionKeyResponse })
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

/** One conversation that was left, or can't be trusted, is no reason to keep the others back. */
function passOver(error: unknown): void {
  const isLeft = error instanceof RefusedError && error.status === 404
  if (!isLeft && !(error instanceof ChatError && error.kind === 'untrusted')) throw error
}
