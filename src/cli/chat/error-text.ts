import { ChatError, mayPass } from '../../client/index.js'
import { hintFor, UsageError } from '../errors.js'
import { sanitizeLines } from '../terminal/sanitize.js'

/** An error and what helps, in a line of a chat. @throws it if it ends the chat */
export function errorText(error: unknown, url: string): string {
  const isKnown = error instanceof ChatError || error instanceof UsageError
  if (!isKnown || (error instanceof ChatError && ['logged-out', 'store'].includes(error.kind))) throw error
  const hint = hintFor(error, url)
  return sanitizeLines(hint === undefined ? error.message : `${error.message} ${hint}`)
}

/** The same of a message that could not be sent. @param isQueued whether it waits to be sent */
export function sendErrorText(error: unknown, url: string, isQueued: boolean): string {
  const what = isQueued
    ? 'Your message is kept, and is sent when that is possible.'
    : 'It was not sent, and is not kept.'
  const why = mayPass(error) ? sanitizeLines((error as ChatError).message) : errorText(error, url)
  return `${why} ${what}`
}
