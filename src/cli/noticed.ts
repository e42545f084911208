import { ChatError, type ChatClient, type ChatEvent } from '../client/index.js'
import { eventText } from './output/event-text.js'
import { printToStderr, type Io } from './terminal/io.js'

/**
 * Warn of what a command has noticed by the way. Events show it, too, but many people run no "listen".
 *
 * @param error with which the command ends: it is not told twice
 */
export function printNoticed(io: Io, chat: ChatClient, error?: unknown): void {
  const names = { of: (id: string) => id, me: chat.account?.username ?? '' }
  for (const event of chat.noticed()) {
    const shown = isAbout(event, error) ? null : eventText(event, names)
    if (shown !== null) printToStderr(io, `Warning: ${shown.text}`)
  }
}

function isAbout(event: ChatEvent, error: unknown): boolean {
  return event.type === 'untrusted' && error instanceof ChatError && error.code === event.error.code
}
