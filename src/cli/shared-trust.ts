import { ChatError, type ChatClient } from '../client/index.js'
import { printToStderr, type Io } from './terminal/io.js'

/** On a new device: hear what the user's other devices have told. @returns whether it waits for more */
export async function isWaitingForTrust(chat: ChatClient): Promise<boolean> {
  if (!(await chat.contacts.isWaiting())) return false
  // The next "listen" hears the rest.
  await chat.flush().catch((error: unknown) => {
    if (!(error instanceof ChatError)) throw error
  })
  return chat.contacts.isWaiting()
}

/** A new device may not know yet whom the user trusts: say how it learns it. */
export async function tellIfWaiting(io: Io, chat: ChatClient): Promise<void> {
  if (!(await isWaitingForTrust(chat))) return
  printToStderr(
    io,
    'This device waits until another of your devices tells whom you trust, and verifies nobody before. Run ' +
      '"secure-chat listen" there. To go on without the others: secure-chat contacts go-on-alone'
  )
}
