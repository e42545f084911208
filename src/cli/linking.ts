import { ChatError, type ChatClient } from '../client/index.js'
import { EXIT, ExitError } from './errors.js'
import { print, printToStderr, type Io } from './terminal/io.js'
import { agree, isInteractive } from './terminal/prompt.js'
import { tellIfWaiting } from './shared-trust.js'

/** Show the number that a new device has to be compared by, and what to do with it. */
export function showLinkNumber(io: Io, number: string): void {
  print(io, 'The link number of this device is')
  print(io, number)
  printToStderr(
    io,
    'On a device that is logged in, run "secure-chat devices approve", and compare the number there with this one. ' +
      'If they differ, somebody stands between your devices: do not approve this one.'
  )
}

/**
 * Wait until another device has approved this one, and the person has said so here. The link number is shown
 * again whenever it changes. Without a terminal, `devices link --number` says it, in another process.
 *
 * @throws {ExitError} if the person says that the numbers differ
 */
export async function waitUntilLinked(io: Io, chat: ChatClient): Promise<void> {
  const stop = new AbortController()
  let question = new AbortController()
  const onNumber = (number: string): void => {
    question.abort()
    question = new AbortController()
    showLinkNumber(io, number)
    const answered = askForApproval(io, chat, number, question.signal)
    answered.catch((error: unknown) => stop.abort(error))
  }
  try {
    await chat.waitForApproval({ signal: AbortSignal.any([io.signal, stop.signal]), onNumber })
  } finally {
    question.abort()
  }
  print(io, `You are ${chat.account!.username}.`)
  await tellIfWaiting(io, chat)
}

/**
 * The link number of a device that still waits; null if it is linked by now. If the user's chain has moved, this
 * asks for approval again.
 */
export async function pendingLinkNumber(chat: ChatClient): Promise<string | null> {
  const look = new AbortController()
  let shown: string | null = null
  const onNumber = (number: string): void => {
    shown = number
    look.abort()
  }
  try {
    await chat.waitForApproval({ signal: look.signal, onNumber })
    return null
  } catch (error) {
    if (error !== look.signal.reason) throw error
    return shown
  }
}

/** @param signal takes the question back: another number is shown */
async function askForApproval(io: Io, chat: ChatClient, number: string, signal: AbortSignal): Promise<void> {
  if (!isInteractive(io))
    return printToStderr(
      io,
      `When it has approved this one, run here: secure-chat devices link --number "${number}"`
    )
  try {
    if (!(await agree(io, 'Has the other device shown the same number, and approved it?', signal))) {
      printToStderr(io, 'This device is not linked. Decline it on the other one: secure-chat devices decline')
      throw new ExitError(EXIT.refused)
    }
    await chat.confirmLink(number)
    printToStderr(io, 'Waiting until the other device has approved it …')
  } catch (error) {
    const isOutdated = error instanceof ChatError && error.code === 'other-number'
    if (!isOutdated && !signal.aborted) throw error
  }
}
