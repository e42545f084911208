import type { FirstContact } from '../conversations/first-contact.js'
import { ChatError } from '../errors.js'
import type { MessageHistory } from '../messages/history.js'
import type { HistoryRange, Incoming } from '../types/messages.js'

/** The history without what blocked users have sent. That of a request is shown once it is accepted. */
export class ShownHistory {
  readonly #history: MessageHistory
  readonly #contact: FirstContact

  constructor(history: MessageHistory, contact: FirstContact) {
    this.#history = history
    this.#contact = contact
  }

  async *read(id: string, range: HistoryRange): AsyncGenerator<Incoming, void, undefined> {
    const request = await this.#contact.request(id)
    if (request !== undefined)
      throw new ChatError('usage', 'not-accepted', `This conversation is a request of ${request.by}.`, {
        hint: 'Accept it to read it, or decline it.'
      })
    yield* this.#history.read(id, range, await this.#contact.blocked())
  }
}
