import type { Static } from 'typebox'
import type { durableEvents, DurableEvent } from '../../protocol/events.js'
import type { Message } from '../../protocol/messages.js'
import { ChatError, toUntrusted, isLeft, isRefusal } from '../errors.js'
import { lacksKey } from '../session-keys/store.js'
import type { ConversationEvents } from './conversations.js'
import type { ContactEvents } from './first-contact.js'
import type { DeviceEvents } from './devices.js'
import type { Handled } from '../identity/handled.js'
import type { MessageEvents } from './messages.js'

type Data<E extends DurableEvent> = Static<(typeof durableEvents)[E]>

/** Handles the durable events of the stream, each as its section of the protocol says. */
export class EventHandler {
  readonly #messages: MessageEvents
  readonly #conversations: ConversationEvents
  readonly #devices: DeviceEvents
  readonly #contacts: ContactEvents

  constructor(
    messages: MessageEvents,
    conversations: ConversationEvents,
    devices: DeviceEvents,
    contacts: ContactEvents
  ) {
    this.#contacts = contacts
    this.#messages = messages
    this.#conversations = conversations
    this.#devices = devices
  }

  /** @param messages in the order of the stream */
  async *messages(messages: readonly Message[]): AsyncGenerator<Handled> {
    for await (const handled of this.#messages.messages(messages)) yield this.#contacts.shown(handled)
  }

  /** Handle any durable event but a message. Data that the protocol refuses becomes an `untrusted` event. */
  async *handle(event: Exclude<DurableEvent, 'message'>, data: unknown): AsyncGenerator<Handled> {
    try {
      for await (const handled of this.#handle(event, data)) yield this.#contacts.shown(handled)
    } catch (error) {
      const failure = toUntrusted(error, 'An event')
      if (!(failure instanceof ChatError)) throw error
      const { conversationId } = data as { conversationId?: string }
      const where = conversationId === undefined ? {} : { conversationId }
      if (failure.kind === 'untrusted')
        yield this.#contacts.shown({ events: [{ type: 'untrusted', error: failure, ...where }] })
      // The user was removed since, or the key was not made for this device: there is nothing to do.
      else if (!isLeft(failure) && !isRefusal(failure, 'user-not-found') && !lacksKey(failure)) throw error
    }
  }

  #handle(
    event: Exclude<DurableEvent, 'message'>,
    data: unknown
  ): AsyncGenerator<Handled> | Generator<Handled> {
    switch (event) {
      case 'conversation.created':
      case 'conversation.chain':
        return this.#conversations.request(data as Data<typeof event>)
      case 'request.received':
        return this.#contacts.received(data as Data<typeof event>)
      case 'request.accepted':
        return this.#contacts.accepted(data as Data<typeof event>)
      case 'block.changed':
        return this.#contacts.blocked(data as Data<typeof event>)
      case 'message.deleted':
        return this.#messages.deleted(data as Data<typeof event>)
      case 'session-key.shared':
        return this.#messages.sessionKey(data as Data<typeof event>)
      case 'device.requested':
        return this.#devices.requested(data as Data<typeof event>)
      case 'device.chain':
        return this.#devices.statement(data as Data<typeof event>)
      case 'user.deleted':
        return this.#devices.userDeleted(data as Data<typeof event>)
    }
  }
}
