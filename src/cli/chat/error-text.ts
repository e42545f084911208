import { ChatError } from '../../client/index.js'
import { hintFor, isUnreachable, UsageError } from '../errors.js'
import { sanitizeLines } from '../terminal/sanitize.js'

/** An error and what helps, in a line of a chat. @throws it if it ends the chat */
export function errorText(error: unknown, url: string): string {
  const isKnown = error instanceof ChatError || error instanceof UsageError
  if (!isKnown || (error instanceof ChatError && ['logged-out', 'store'].includes(error.kind))) throw error
  const hint = hintFor(error, url)
  return sanitizeLines(hint === undefined ? error.message : `${error.message} ${hint}`)
}

/** The same of a message that could not be sent. */
export function sendErrorText(error: unknown, url: string): string {
  if (!isUnreachable(error)) return errorText(error, url)
  const { message } = error as ChatError
  return sanitizeLines(`${message} Your message is kept, and is sent when the server is back.`)
}
