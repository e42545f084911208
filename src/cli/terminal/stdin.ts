import { UsageError } from '../errors.js'
import { printToStderr, readAll, type Io } from './io.js'

/** Far more than any message holds: what is too long is to be told from what never ends. */
const MAX_STDIN_BYTES = 2 ** 20
export const TOO_LONG = 'Send its end ("… | tail -c 50000 | secure-chat send …"), or send it in parts.'

/** All of stdin as text; without the line break at its end. */
export async function textFromStdin(io: Io): Promise<string> {
  if (io.stdin.isTTY === true)
    printToStderr(io, 'Type the message, and end it with Ctrl-D on a line of its own.')
  const bytes = await readAll(io.stdin, MAX_STDIN_BYTES).catch((error: unknown) => {
    if (error instanceof RangeError)
      throw new UsageError('What came on stdin is too long for a message.', TOO_LONG)
    throw error
  })
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r?\n$/, '')
  } catch {
    throw new UsageError('What came on stdin is no text in UTF-8.')
  }
}
