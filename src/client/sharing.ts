import { SessionKeyAnswer } from '../protocol/conversations.js'
import { wrap } from '../crypto/session-keys.js'
import type { Core } from './core.js'
import { RefusedError } from './refused.js'

/** Session keys that are still to be passed on to a device, kept until it is done. */
type Task = { deviceId: string; done: string[] }

/** Passes on the session keys held here to a further device of the user, so that it reads the past. */
export class Sharing {
  readonly #core: Core
  #underWay: Promise<void> | null = null

  constructor(core: Core) {
    this.#core = core
  }

  /** Share every key held with one of the user's devices; what is not done now is done by `resume`. */
  async begin(deviceId: string): Promise<void> {
    await this.#core.store.update((tx) => tx.set(taskName(deviceId), { deviceId, done: [] }))
    await this.resume()
  }

  /** Go on with what was begun. */
  resume(): Promise<void> {
    this.#underWay ??= this.#resume().finally(() => (this.#underWay = null))
    return this.#underWay
  }

  async #resume(): Promise<void> {
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

  async #shareAll(
    name: string,
    { deviceId, done }: Task,
    publicKey: Parameters<typeof wrap>[0]
  ): Promise<void> {
    for (const { id: conversationId } of await this.#core.rooms.list()) {
      for (const { id } of await this.#core.keys.list(conversationId)) {
        if (done.includes(id)) continue
        const held = await this.#core.keys.peek(conversationId, id)
        if (held === undefined || deviceId in held.roster) continue
        const wraps = [{ deviceId, wrappedKey: await wrap(publicKey, held.material) }]
        if (!(await this.#post(conversationId, id, wraps))) break
        done.push(id)
        if (done.length % 50 === 0) await this.#core.store.update((tx) => tx.set(name, { deviceId, done }))
      }
    }
  }

  /** @returns false if the user is in the conversation no more, or the device is gone */
  async #post(conversationId: string, keyId: string, wraps: object[]): Promise<boolean> {
    const path = `/v1/conversations/${conversationId}/session-keys/${keyId}/wraps`
    try {
      await this.#core.tokens.call({ method: 'POST', path, body: { wraps }, answer: SessionKeyAnswer })
      return true
    } catch (error) {
      if (!(error instanceof RefusedError) || ![404, 409].includes(error.status ?? 0)) throw error
      return error.code === 'session-key-not-found'
    }
  }
}

function taskName(deviceId: string): string {
  return `sharing/${deviceId}`
}
