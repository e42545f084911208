import type {
  DeletedMessage,
  IncomingMessage,
  ReorderedMessage,
  WithheldMessages
} from '../types/messages.js'
import type { StoreReader, StoreTransaction } from '../stores/store.js'
import { streamStart } from '../stores/read-range.js'
import { deletedFlow } from './deleted.js'
import type { CounterId } from './seen.js'

/** Beginnings of the stream that are remembered of each counter. */
const MAX_FIRSTS = 16
/** Numbers given up elsewhere than in their order, that a pass remembers of each counter. More are told as withheld. */
const MAX_GIVEN = 1000

/** Gaps in the stream that are remembered of each counter, for other clients of the store that come to them later. */
const MAX_TOLD = 16

/** Counters that the sender of a message has used, and that were not shown. */
export type Range = { first: number; last: number }

/** Whether the session key of a message was made for this device: then it knows that counting begins at 1. */
export type IsFromStart = (message: IncomingMessage) => Promise<boolean>

/** The place of the message with this id that was read of the sender of another one; undefined if none was. */
type PlaceOf = (message: IncomingMessage, id: string) => Promise<number | undefined>

/** What one pass has met of a device under a session key. */
interface Met {
  /** The message that the next one is compared with. */
  last?: IncomingMessage
  /** Numbers that were given up. The server may have placed them behind those that follow. */
  given: Set<number>
}

/**
 * Notices the counters that one pass through a history leaves out, whether they were shown elsewhere or not.
 */
export class HistoryGaps {
  readonly #isBackward: boolean
  readonly #isFromStart: IsFromStart
  readonly #placeOf: PlaceOf
  readonly #met = new Map<string, Met>()
  /** Tombstones that this pass has met since the last message. */
  readonly #deleted = new Map<string, DeletedMessage[]>()
  /** All tombstones that this pass has met: one that comes again fills no second gap. */
  readonly #ids = new Set<string>()

  /** @param isFromStart of all messages, if the pass begins with the first one of the conversation */
  constructor(isBackward: boolean, isFromStart: IsFromStart, placeOf: PlaceOf) {
    this.#isBackward = isBackward
    this.#isFromStart = isFromStart
    this.#placeOf = placeOf
  }

  noteDeleted(deleted: DeletedMessage): void {
    const flow = deletedFlow(deleted)
    const name = `${flow}/${deleted.id}`
    if (this.#ids.has(name)) return
    this.#ids.add(name)
    const noted = this.#deleted.get(flow)
    if (noted === undefined) this.#deleted.set(flow, [deleted])
    else noted.push(deleted)
  }

  async before(message: IncomingMessage, isWhole: boolean): Promise<WithheldMessages[]> {
    const { n, content } = message
    const isVoid = content.type === 'void'
    const met = this.#metOf(message)
    const last = met.last?.n
    const isNext = last !== undefined && n === last + (this.#isBackward ? -1 : 1)
    if (isVoid && !isNext && met.given.size < MAX_GIVEN) met.given.add(n)
    if (last !== undefined && (this.#isBackward ? isVoid && !isNext : n < last)) return []
    met.last = message
    // It may have come late: tombstones around it can stand for a number behind it.
    if (isVoid && isNext) return []
    const deleted = await this.#takeDeleted(message, isVoid ? n - 1 - (last ?? 0) : Infinity)
    if (last === undefined)
      return !this.#isBackward && isWhole ? this.#beforeFirst(message, met.given, deleted) : []
    const [first, end] = this.#isBackward ? [n + 1, last - 1] : [last + 1, n - 1]
    return unlessDeleted(withheld(message, without(met.given, first, end)), deleted)
  }

  /** The first messages that a backward pass to the beginning of the conversation has not met. */
  async atBeginning(): Promise<WithheldMessages[]> {
    const found: WithheldMessages[] = []
    for (const { last, given } of this.#met.values())
      if (last !== undefined)
        found.push(...(await this.#beforeFirst(last, given, await this.#takeDeleted(last))))
    return found
  }

  async #beforeFirst(message: IncomingMessage, given: Met['given'], deleted: number) {
    const ranges = without(given, 1, message.n - 1)
    return ranges.length > 0 && (await this.#isFromStart(message))
      ? unlessDeleted(withheld(message, ranges), deleted)
      : []
  }

  #metOf(message: IncomingMessage): Met {
    const name = flowName(counterOf(message))
    const met = this.#met.get(name) ?? { given: new Set() }
    this.#met.set(name, met)
    return met
  }

  /**
   * One of a message that was read stands for that one, and only in its place.
   *
   * @param most how many of them are taken away, if others may stand for a number behind this one
   */
  async #takeDeleted(message: IncomingMessage, most = Infinity): Promise<number> {
    const flow = deletedFlow(message)
    const standing: DeletedMessage[] = []
    for (const deleted of this.#deleted.get(flow) ?? []) {
      const place = await this.#placeOf(message, deleted.id)
      if (place === undefined || place === deleted.position) standing.push(deleted)
    }
    this.#deleted.set(flow, standing.slice(most))
    return standing.length
  }
}

/** The ranges of `first` to `last` without these numbers. */
function without(numbers: ReadonlySet<number>, first: number, last: number): Range[] {
  const ranges: Range[] = []
  const inside = [...numbers].filter((n) => n >= first && n <= last).sort((a, b) => a - b)
  for (const n of first > last ? [] : [...inside, last + 1]) {
    if (n > first) ranges.push({ first, last: n - 1 })
    first = n + 1
  }
  return ranges
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

/** Told before a message that stands elsewhere than its sender's order says. */
export function toReordered({ conversationId, key, from, id, n }: IncomingMessage): ReorderedMessage {
  return { type: 'reordered', conversationId, key, from, id, n }
}

/** The last number of a device under a session key that the stream has brought; undefined if it brought none. */
export function lastStreamed(store: StoreReader, counter: CounterId): Promise<number | undefined> {
  return store.get<number>(flowName(counter))
}

/** A number in its place. */
type Placed = { n: number; position: number }

/** The first message of a device under a session key that the stream has brought after it began at `start`. */
type First = Placed & { start: number }

/** The stream has brought a message. @returns the last number before, as `lastStreamed` */
export async function noteStreamed(
  tx: StoreTransaction,
  { n, position, content, ...message }: IncomingMessage
): Promise<number | undefined> {
  const counter = counterOf(message)
  const name = flowName(counter)
  const before = await tx.get<number>(name)
  if (n > (before ?? 0)) tx.set(name, n)
  // A number that was given up may come after those that follow it.
  if (content.type === 'void') return before
  const start = await streamStart(tx)
  const firsts = (await tx.get<First[]>(firstsName(counter))) ?? []
  if (!firsts.some((first) => first.start === start))
    tx.set(firstsName(counter), [...firsts.slice(1 - MAX_FIRSTS), { start, n, position }])
  return before
}

/** What was told before `n`: a gap, with the tombstones in it, and what stands in the time before the stream. */
type Told = Range & { n: number; deleted?: number; hasPast?: boolean }

/** A gap was told before a message, or filled by what stands in the time before the stream. */
export async function noteGap(tx: StoreTransaction, counter: CounterId, gap: Told): Promise<void> {
  const told = (await tx.get<Told[]>(gapsName(counter))) ?? []
  tx.set(gapsName(counter), [...told.slice(1 - MAX_TOLD), gap])
}

/** The gap that was told before a message, if one was. */
export async function toldGap(store: StoreReader, counter: CounterId, n: number): Promise<Told | undefined> {
  return (await store.get<Told[]>(gapsName(counter)))?.find((told) => told.n === n)
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

function gapsName({ conversationId, key, signingKey }: CounterId): string {
  return `flow-gaps/${conversationId}/${key}/${signingKey}`
}

function firstsName({ conversationId, key, signingKey }: CounterId): string {
  return `flow-firsts/${conversationId}/${key}/${signingKey}`
}

function flowName({ conversationId, key, signingKey }: CounterId): string {
  return `flow/${conversationId}/${key}/${signingKey}`
}
