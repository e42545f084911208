import { Message } from '../../protocol/messages.js'
import type { Incoming } from '../types/messages.js'
import type { Core } from '../core.js'
import { ChatError } from '../errors.js'
import { fits } from '../transport/response-schema.js'

/** Verify and open a message that was fetched by other means; from then on it is known, like one from the history. */
export async function openMessage(core: Core, given: unknown): Promise<Incoming[]> {
  if (!fits(Message, given))
    throw new ChatError('usage', 'not-a-message', 'This is no message as the server serves it.', {
      hint: 'It is an item of a history page, or the data of a "message" event.'
    })
  const shown: Incoming[] = []
  for await (const read of core.inbox.read([given])) {
    shown.push(...read.before, read.shown)
    await core.store.update((tx) => core.inbox.commit(tx, read))
  }
  return shown
}
