import { ChatError } from '../client/index.js'
import { printToStderr, type Io } from './terminal/io.js'
import { sanitize } from './terminal/sanitize.js'

/** Exit codes, which scripts rely on. */
export const EXIT = { ok: 0, refused: 1, usage: 2, unreachable: 3, interrupted: 130 } as const

/** The command was called in a way that makes no sense. `hint` says what would. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}

/** What was named does not exist. */
export class NotFoundError extends UsageError {}

/** Everything has been said: only the exit code is left. */
export class ExitError extends Error {
  override readonly name = 'ExitError'
  readonly code: number

  constructor(code: number) {
    super(`exit ${code}`)
    this.code = code
  }
}

export function exitCode(error: unknown): number {
  if (error instanceof UsageError) return error instanceof NotFoundError ? EXIT.refused : EXIT.usage
  if (!(error instanceof ChatError)) return EXIT.refused
  if (isUnreachable(error)) return EXIT.unreachable
  // The command was right; what it was about is not so.
  if (['other-safety-number', 'no-backup', 'wrong-secret', 'not-a-member'].includes(error.code))
    return EXIT.refused
  return error.kind === 'usage' ? EXIT.usage : EXIT.refused
}

/** Whether trying again later may help: no answer came, or one that says so (5xx, such as without its database). */
export function isUnreachable(error: unknown): boolean {
  return error instanceof ChatError && (error.kind === 'unreachable' || (error.status ?? 0) >= 500)
}

/** Tell the person in a sentence what is wrong and what to check; with `verbose` also where it came from. */
export function printError(
  io: Io,
  error: unknown,
  { url, verbose }: { url: string; verbose: boolean }
): void {
  const { message } = error instanceof Error ? error : new Error(String(error))
  printToStderr(io, `secure-chat: ${sanitize(message)}`)
  const hint = hintFor(error, url)
  if (hint !== undefined) printToStderr(io, `  ${sanitize(hint)}`)
  if (!verbose) return
  if (error instanceof ChatError) printToStderr(io, `  [${error.kind}: ${sanitize(error.code)}]`)
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
    printToStderr(io, sanitize(cause.stack ?? cause.message).replaceAll('\ufffd', '\n'))
}

/** What to do about an error; undefined where there is nothing to say. */
export function hintFor(error: unknown, url: string): string | undefined {
  if (error instanceof UsageError) return error.hint
  if (!(error instanceof ChatError)) return 'Run again with --verbose to see where it came from.'
  if (error.status !== undefined && error.status >= 500)
    return `The server at ${url} answers, but can't work now. Try again later, or ask whoever runs it.`
  if (error.code === 'other-account')
    return 'Use another profile (--profile NAME), or "secure-chat logout --forget" first.'
  if (error.code === 'other-backup-kind')
    return 'With a passphrase it is "secure-chat restore NAME --passphrase", with a code it is without.'
  if (error.code === 'user-not-found')
    return 'Is the name spelt right? "secure-chat conversations" shows whom, and which groups, you write to.'
  switch (error.kind) {
    case 'unreachable':
      return `Is a server running at ${url}? Start one with "secure-chat serve", or name another with --url.`
    case 'logged-out':
      return 'Log in again with "secure-chat login NAME", or set SECURE_CHAT_PASSWORD.'
    case 'identity-changed':
      return 'Compare safety numbers ("secure-chat verify NAME"), then "secure-chat accept NAME".'
    case 'untrusted':
      return 'Nothing of it was used. Ask whoever runs the server; "secure-chat doctor" checks what it can.'
    case 'usage':
    case 'refused':
    case 'store':
      return error.hint
  }
}
