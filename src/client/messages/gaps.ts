import type { DeletedMessage, IncomingMessage, WithheldMessages } from '../types/messages.js'
import type { StoreReader, StoreTransaction } from '../stores/store.js'
import { streamStart } from '../stores/read-range.js'
import { deletedFlow } from './deleted.js'
import type { CounterId } from './seen.js'

/** Beginnings of the stream that are remembered of each counter. */
const MAX_FIRSTS = 16

/** Counters that the sender of a message has used, and that were not shown. */
interface Range {
  first: number
  last: number
}

/** Whether the session key of a message was made for this device: then it knows that counting begins at 1. */
export type IsFromStart = (message: IncomingMessage) => Promise<boolean>

/**
 * Notices the counters that one pass through a history leaves out, whether they were shown elsewhere or not.
 */
export class HistoryGaps {
  readonly #isBackward: boolean
  readonly #isFromStart: IsFromStart
  /** The last message of each flow in this pass. */
  readonly #last = new Map<string, IncomingMessage>()
  /** Tombstones that this pass has met since. */
  readonly #deleted = new Map<string, number>()

  /** @param isFromStart of all messages, if the pass begins with the first one of the conversation */
  constructor(isBackward: boolean, isFromStart: IsFromStart) {
    this.#isBackward = isBackward
    this.#isFromStart = isFromStart
  }

  noteDeleted(deleted: DeletedMessage): void {
    const flow = deletedFlow(deleted)
    this.#deleted.set(flow, (this.#deleted.get(flow) ?? 0) + 1)
  }

  async before(message: IncomingMessage, isWhole: boolean): Promise<WithheldMessages[]> {
    const deleted = this.#takeDeleted(message)
    return unlessDeleted(await this.#before(message, isWhole), deleted)
  }

  #takeDeleted(message: IncomingMessage): number {
    const flow = deletedFlow(message)
    const count = this.#deleted.get(flow) ?? 0
    this.#deleted.delete(flow)
    return count
  }

  async #before(message: IncomingMessage, isWhole: boolean): Promise<WithheldMessages[]> {
    const { n } = message
    const name = flowName(counterOf(message))
    const before = this.#last.get(name)
    this.#last.set(name, message)
    if (before === undefined) {
      if (this.#isBackward || !isWhole || n === 1 || !(await this.#isFromStart(message))) return []
      return withheld(message, [{ first: 1, last: n - 1 }])
    }
    const range = this.#isBackward
      ? { first: n + 1, last: before.n - 1 }
      : { first: before.n + 1, last: n - 1 }
    return range.first <= range.last ? withheld(message, [range]) : []
  }

  /** The first messages that a backward pass to the beginning of the conversation has not met. */
  async atBeginning(): Promise<WithheldMessages[]> {
    const found: WithheldMessages[] = []
    for (const message of this.#last.values())
      if (message.n > 1 && (await this.#isFromStart(message)))
        found.push(
          ...unlessDeleted(withheld(message, [{ first: 1, last: message.n - 1 }]), this.#takeDeleted(message))
        )
    return found
  }
}

/** A gap in which as many tombstones stand was told by them. */
export function unlessDeleted(gaps: WithheldMessages[], deleted: number): WithheldMessages[] {
  return gaps.filter(({ count }) => count > deleted)
}

/**
 * One event tells of all ranges before a message that were not shown of its sender: a member's device could make
 * thousands of ranges.
 *
 * @param ranges in their order
 */
export function withheld(
  { conversationId, key, from }: IncomingMessage,
  ranges: readonly Range[]
): WithheldMessages[] {
  const [first, last] = [ranges[0]?.first, ranges.at(-1)?.last]
  if (first === undefined || last === undefined) return []
  const count = ranges.reduce((sum, range) => sum + range.last - range.first + 1, 0)
  return [{ type: 'withheld', conversationId, key, from, first, last, count }]
}

/** The last number of a device under a session key that the stream has brought; undefined if it brought none. */
export function lastStreamed(store: StoreReader, counter: CounterId): Promise<number | undefined> {
  return store.get<number>(flowName(counter))
}

/** A number in its place. */
type Placed = { n: number; position: number }

/** The first message of a device under a session key that the stream has brought after it began at `start`. */
type First = Placed & { start: number }

/** The stream has brought a message. @returns whether it is the first one of this counter */
export async function noteStreamed(
  tx: StoreTransaction,
  { n, position, content, ...message }: IncomingMessage
): Promise<boolean> {
  const counter = counterOf(message)
  const name = flowName(counter)
  const before = await tx.get<number>(name)
  if (n > (before ?? 0)) tx.set(name, n)
  // A number that was given up may come after those that follow it.
  if (content.type === 'void') return before === undefined
  const start = await streamStart(tx)
  const firsts = (await tx.get<First[]>(firstsName(counter))) ?? []
  if (!firsts.some((first) => first.start === start))
    tx.set(firstsName(counter), [...firsts.slice(1 - MAX_FIRSTS), { start, n, position }])
  return before === undefined
}

/** Whether the stream has brought a smaller number at a later place: a device counts up. */
export async function isAboveLater(
  store: StoreReader,
  counter: CounterId,
  { n, position }: Placed
): Promise<boolean> {
  const firsts = (await store.get<First[]>(firstsName(counter))) ?? []
  return firsts.some((first) => first.position > position && first.n < n)
}

export function counterOf({
  conversationId,
  key,
  from
}: Pick<IncomingMessage, 'conversationId' | 'key' | 'from'>): CounterId {
  return { conversationId, key, signingKey: from.signingKey }
}

function firstsName({ conversationId, key, signingKey }: CounterId): string {
  return `flow-firsts/${conversationId}/${key}/${signingKey}`
}

function flowName({ conversationId, key, signingKey }: CounterId): string {
  return `flow/${conversationId}/${key}/${signingKey}`
}
