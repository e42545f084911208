import { ChatError, mayPass } from '../client/index.js'
import { acceptIdentity, adviceOn, ASK_FOR_RENEWAL, type About } from './advice.js'
import { connectionAdvice } from './connection-advice.js'
import { printToStderr, type Io } from './terminal/io.js'
import { sanitize, sanitizeLines } from './terminal/sanitize.js'

/** Exit codes. Scripts rely on them. */
export const EXIT = { ok: 0, refused: 1, usage: 2, unreachable: 3, interrupted: 130 } as const

/** A wrong command line. `hint` says how to correct it. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}

/** Something that the command line names does not exist. */
export class NotFoundError extends UsageError {}

/** Ends the command with an exit code. The message is printed already. */
export class ExitError extends Error {
  override readonly name = 'ExitError'
  readonly code: number

  constructor(code: number) {
    super(`exit ${code}`)
    this.code = code
  }
}

/** Codes of errors for which the command line is correct, but what it asks for is not possible. */
const IMPOSSIBLE = [
  'invalid-argument',
  'last-admin',
  'no-backup',
  'not-accepted',
  'not-a-member',
  'other-head',
  'other-number',
  'other-root',
  'other-safety-number',
  'replaced-backup',
  'waiting-for-trust',
  'wrong-secret'
]

export function exitCode(error: unknown): number {
  if (error instanceof UsageError) return error instanceof NotFoundError ? EXIT.refused : EXIT.usage
  if (!(error instanceof ChatError)) return EXIT.refused
  if (mayPass(error)) return EXIT.unreachable
  if (IMPOSSIBLE.includes(error.code)) return EXIT.refused
  return error.kind === 'usage' ? EXIT.usage : EXIT.refused
}

/** Print what is wrong and what to do about it. `verbose` adds the causes with their stacks. */
export function printError(
  io: Io,
  error: unknown,
  { url, verbose }: { url: string; verbose: boolean }
): void {
  const { message } = error instanceof Error ? error : new Error(String(error))
  printToStderr(io, `secure-chat: ${sanitizeLines(message)}`)
  const hint = hintFor(error, url)
  if (hint !== undefined) printToStderr(io, `  ${sanitizeLines(hint)}`)
  if (!verbose) return
  if (error instanceof ChatError) printToStderr(io, `  [${error.kind}: ${sanitize(error.code)}]`)
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
    printToStderr(io, `  ${sanitizeLines(cause.stack ?? cause.message)}`)
}

/** What helps in this program, by the code of the error. */
const HINTS: Record<string, string> = {
  'device-pending': 'Go on with "secure-chat devices link".',
  'invalid-argument': 'Run the command again with --verbose to see the cause.',
  'invitation-required':
    'Ask somebody who has an account for a link (secure-chat invite), then: secure-chat join LINK NAME',
  'invitation-unavailable': 'It was used, revoked, or has expired. Ask for another link.',
  'last-admin': 'Make another member an admin first: secure-chat group role GROUP NAME admin',
  'not-accepted': 'See what waits: secure-chat requests. To read it: secure-chat accept-request NAME',
  'not-in-roster': ASK_FOR_RENEWAL,
  'other-account': 'Use another profile (--profile NAME), or run "secure-chat logout --forget" first.',
  'other-backup-kind':
    'With a passphrase, run "secure-chat restore NAME --passphrase". With a code, leave out --passphrase.',
  'other-root': 'See the identity that the user has now: secure-chat contacts',
  'user-not-found':
    'Check the spelling. To find users by the beginning of their names: secure-chat users PREFIX',
  'waiting-for-trust':
    'Run "secure-chat listen" on another of your devices. To go on without the others: ' +
    'secure-chat contacts go-on-alone'
}

/** Advice on an error, if there is any. */
export function hintFor(error: unknown, url: string, given: About = {}): string | undefined {
  if (error instanceof UsageError) return error.hint
  const connection = connectionAdvice(error, url)
  if (connection !== undefined) return connection
  if (!(error instanceof ChatError)) return 'Run the command again with --verbose to see the cause.'
  const about = { ...error.about, ...given }
  if (error.status !== undefined && error.status >= 500)
    return `The server at ${url} answers, but cannot work now. Try again later, or ask its operator.`
  if (Object.hasOwn(HINTS, error.code)) return HINTS[error.code]
  switch (error.kind) {
    case 'unreachable':
      if (error.code === 'not-the-server') return error.hint
      return `Is a server running at ${url}? Start one with "secure-chat serve", or name another with --url.`
    case 'logged-out':
      return 'Log in again with "secure-chat login NAME", or set SECURE_CHAT_PASSWORD.'
    case 'identity-changed':
      return acceptIdentity(about.username ?? 'NAME')
    case 'untrusted':
      return adviceOn(error, about)
    case 'usage':
    case 'refused':
    case 'store':
      return error.hint
  }
}
