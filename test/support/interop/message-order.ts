import { check } from './refused.js'

/** What a reader knows of a message after it was opened. */
export interface OrderedMessage {
  readonly conversationId: string
  /** Hash of the `conversation-key` statement. */
  readonly key: string
  /** Fingerprint of the sending device's signing key. */
  readonly by: string
  readonly id: string
  readonly digest: string
  readonly position: number
  readonly n: number
}

/** Messages that were shown, and what their numbers say (docs/protocol.md, "Counting"). */
export class MessageOrder {
  readonly #shown = new Map<string, OrderedMessage>()
  /** Messages by number, of each device and key. */
  readonly #numbers = new Map<string, Map<number, OrderedMessage>>()

  /** Places of deleted messages by id, of each device and key. */
  readonly #deleted = new Map<string, Map<string, number>>()

  /**
   * Whether this very message was shown before.
   *
   * @throws Refused if another one was, or this one in another place
   */
  isKnown(message: Omit<OrderedMessage, 'n'>): boolean {
    const before = this.#shown.get(placeOf(message))
    if (before === undefined) return false
    check(before.digest === message.digest, `another message has the id ${message.id}`)
    check(before.position === message.position, `message ${message.id} stands in two places`)
    return true
  }

  /** Remembers a message. @returns whether it is late @throws Refused if its number was here before */
  take(message: OrderedMessage): boolean {
    const { n, position } = message
    const numbers = this.#numbers.get(counterOf(message)) ?? new Map<number, OrderedMessage>()
    check(!numbers.has(n), `number ${n} was here before`)
    this.#numbers.set(counterOf(message), numbers.set(n, message))
    this.#shown.set(placeOf(message), message)
    return [...numbers.values()].some((other) => other.n > n && other.position < position)
  }

  /** Messages of one device under one key, by number. */
  of(counter: Pick<OrderedMessage, 'key' | 'by'>): ReadonlyMap<number, OrderedMessage> {
    return this.#numbers.get(counterOf(counter)) ?? new Map()
  }

  /** The server says that it has deleted the message in this place. It stands in no other one. */
  noteDeleted(
    counter: Pick<OrderedMessage, 'key' | 'by'>,
    { id, position }: Pick<OrderedMessage, 'id' | 'position'>
  ): void {
    const places = this.#deleted.get(counterOf(counter)) ?? new Map<string, number>()
    if (!places.has(id)) this.#deleted.set(counterOf(counter), places.set(id, position))
  }

  /** Numbers up to the highest that were not shown, without gaps in which as many deleted messages stand. */
  missing(counter: Pick<OrderedMessage, 'key' | 'by'>): number[] {
    const shown = [...this.of(counter).values()].sort((a, b) => a.n - b.n)
    const read = new Set(shown.map(({ id }) => id))
    const deleted = [...(this.#deleted.get(counterOf(counter)) ?? [])].filter(([id]) => !read.has(id))
    const found: number[] = []
    let before = { n: 0, position: 0 }
    for (const message of shown) {
      const gap = Array.from({ length: message.n - before.n - 1 }, (_, i) => before.n + 1 + i)
      const fills = deleted.filter(([, place]) => place > before.position && place < message.position)
      if (gap.length > fills.length) found.push(...gap)
      before = message
    }
    return found
  }
}

const placeOf = ({ conversationId, by, id }: Omit<OrderedMessage, 'n'>) => `${conversationId} ${by} ${id}`
const counterOf = ({ key, by }: Pick<OrderedMessage, 'key' | 'by'>) => `${key} ${by}`
