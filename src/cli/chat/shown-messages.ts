import type { IncomingMessage, UnreadableMessage } from '../../client/index.js'

/** A message that can't be read has no signing key: only the device's id tells whose it is. */
type Item = Pick<IncomingMessage | UnreadableMessage, 'type' | 'id'> & { from: { deviceId: string } }
type Message = Pick<IncomingMessage, 'type' | 'id' | 'from' | 'key' | 'n'>

/** Above what anybody looks at on a screen. */
const MAX_SHOWN = 10_000

/**
 * The messages on the screen, by sender and id. The stream repeats messages that the history has shown. Their
 * positions do not tell which: they are the server's word, and one that is too high would hide what follows.
 */
export class ShownMessages {
  /** Whether each could be read. */
  readonly #readable = new Map<string, boolean>()
  /** The lowest counter that the history has shown, by device and session key. */
  readonly #oldest = new Map<string, number>()

  clear(): void {
    this.#readable.clear()
    this.#oldest.clear()
  }

  /** Remember what is on the screen now. */
  add({ type, id, from }: Item): void {
    this.#readable.set(pair(from.deviceId, id), type === 'message')
    if (this.#readable.size > MAX_SHOWN) this.#readable.delete(this.#readable.keys().next().value!)
  }

  /** The same for a message that the history has shown. */
  addHistory(message: Message): void {
    this.add(message)
    const counter = pair(message.from.signingKey, message.key)
    this.#oldest.set(counter, Math.min(message.n, this.#oldest.get(counter) ?? Infinity))
  }

  /** Whether it is on the screen. A message that could not be read there is not: now it can. */
  has({ type, id, from }: Item): boolean {
    const readable = this.#readable.get(pair(from.deviceId, id))
    return readable === true || (readable === false && type === 'unreadable')
  }

  /** Whether its device has sent it before the messages that the history has shown. */
  isOlder({ from, key, n }: Message): boolean {
    return n < (this.#oldest.get(pair(from.signingKey, key)) ?? 0)
  }
}

function pair(sender: string, id: string): string {
  return `${sender} ${id}`
}
