import type { Sent } from '../types/messages.js'

interface Listener {
  resolve: (sent: Sent) => void
  reject: (error: unknown) => void
}

/** Callers that wait until their message is sent, by the message's id. */
export class PendingReceipts {
  readonly #listeners = new Map<string, Listener[]>()

  wait(id: string): Promise<Sent> {
    return new Promise((resolve, reject) => {
      this.#listeners.set(id, [...(this.#listeners.get(id) ?? []), { resolve, reject }])
    })
  }

  has(id: string): boolean {
    return this.#listeners.has(id)
  }

  resolve(sent: Sent): void {
    this.#settle(sent.id, ({ resolve }) => resolve(sent))
  }

  reject(id: string, error: unknown): void {
    this.#settle(id, ({ reject }) => reject(error))
  }

  #settle(id: string, settle: (listener: Listener) => void): void {
    const listeners = this.#listeners.get(id) ?? []
    this.#listeners.delete(id)
    listeners.forEach(settle)
  }
}
