import type { IncomingMessage, WithheldMessages } from '../types/messages.js'
import type { Core } from '../core.js'
import type { StoreTransaction } from '../stores/store.js'

/**
 * How far each device's counter has come in the stream of events, so that a jump is noticed. Where the stream began
 * in the middle of a session key's life, counting begins with the first message that comes.
 */
export class StreamGaps {
  readonly #core: Core

  constructor(core: Core) {
    this.#core = core
  }

  /** The stream has shown how this session key came into being: all its messages are to come. */
  async begin(tx: StoreTransaction, conversationId: string, sessionKeyId: string): Promise<void> {
    tx.set(`flow/${conversationId}/${sessionKeyId}`, 0)
  }

  /** What the sender has sent before this message and nobody has shown. */
  async gaps({ conversationId, sessionKeyId, from, n }: IncomingMessage): Promise<WithheldMessages[]> {
    const deviceId = from.deviceId
    const last =
      (await this.#core.store.get<number>(`flow/${conversationId}/${sessionKeyId}/${deviceId}`)) ??
      (await this.#core.store.get<number>(`flow/${conversationId}/${sessionKeyId}`))
    if (last === undefined || n <= last + 1) return []
    const counter = { conversationId, sessionKeyId, deviceId }
    const ranges = await this.#core.ledger.missing(counter, last + 1, n - 1)
    return ranges.map((range) => ({ type: 'withheld', conversationId, sessionKeyId, from, ...range }))
  }

  async advance(tx: StoreTransaction, message: IncomingMessage): Promise<void> {
    const { conversationId, sessionKeyId, from, n } = message
    const name = `flow/${conversationId}/${sessionKeyId}/${from.deviceId}`
    if (n > ((await tx.get<number>(name)) ?? 0)) tx.set(name, n)
  }
}
