import type { IncomingMessage, WithheldMessages } from '../types/messages.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import type { SeenMessages } from './seen.js'

/** Counters that the sender of a message has used, and that were not shown. */
interface Range {
  first: number
  last: number
}

/**
 * How far each device's counter has come in the stream of events, so that a jump is noticed. Where the stream
 * began in the middle of a session key's life, counting begins with the first message that comes.
 */
export class StreamGaps {
  readonly #store: Store
  readonly #seen: SeenMessages

  constructor(store: Store, seen: SeenMessages) {
    this.#store = store
    this.#seen = seen
  }

  /**
   * The stream has delivered the making of this session key, so it will deliver all its messages: counting
   * starts at 0.
   */
  begin(tx: StoreTransaction, conversationId: string, sessionKeyId: string): void {
    tx.set(keyName(conversationId, sessionKeyId), 0)
  }

  /**
   * The messages that the sender sent before this one, and that were never shown, in the stream or elsewhere.
   */
  async before(message: IncomingMessage): Promise<WithheldMessages[]> {
    const { conversationId, sessionKeyId, from, n } = message
    const { deviceId } = from
    const last =
      (await this.#store.get<number>(flowName(message))) ??
      (await this.#store.get<number>(keyName(conversationId, sessionKeyId)))
    if (last === undefined || n <= last + 1) return []
    const counter = { conversationId, sessionKeyId, deviceId }
    return withheld(message, await this.#seen.missing(counter, last + 1, n - 1))
  }

  async advance(tx: StoreTransaction, message: IncomingMessage): Promise<void> {
    const name = flowName(message)
    if (message.n > ((await tx.get<number>(name)) ?? 0)) tx.set(name, message.n)
  }
}

/**
 * Notices the counters that one pass through a history leaves out, whether they were shown elsewhere or not.
 */
export class HistoryGaps {
  readonly #isBackward: boolean
  readonly #last = new Map<string, number>()

  constructor(isBackward: boolean) {
    this.#isBackward = isBackward
  }

  before(message: IncomingMessage): WithheldMessages[] {
    const { n } = message
    const name = flowName(message)
    const last = this.#last.get(name)
    this.#last.set(name, n)
    if (last === undefined) return []
    const range = this.#isBackward ? { first: n + 1, last: last - 1 } : { first: last + 1, last: n - 1 }
    return range.first <= range.last ? withheld(message, [range]) : []
  }
}

function withheld(
  { conversationId, sessionKeyId, from }: IncomingMessage,
  ranges: readonly Range[]
): WithheldMessages[] {
  return ranges.map((range) => ({ type: 'withheld', conversationId, sessionKeyId, from, ...range }))
}

function keyName(conversationId: string, sessionKeyId: string): string {
  return `flow/${conversationId}/${sessionKeyId}`
}

function flowName({ conversationId, sessionKeyId, from }: IncomingMessage): string {
  return `${keyName(conversationId, sessionKeyId)}/${from.deviceId}`
}
