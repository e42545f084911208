import { CryptoError } from '../crypto/errors.js'
import { RuleViolation } from '../protocol/rule-violation.js'

/**
 * What has gone wrong, and so what helps:
 * - `usage`: the caller's mistake, such as a user who does not exist
 * - `refused`: the server said no; `code` is its problem's code, `status` its HTTP status
 * - `unreachable`: no answer came; trying again later may help
 * - `untrusted`: the server showed something that the protocol refuses; `code` names the attack
 * - `identity-changed`: a contact has a new identity, which has to be accepted before anything is sent
 * - `logged-out`: there is no session, or it has ended
 * - `store`: the key store cannot be read or written
 */
export type ChatErrorKind =
  'usage' | 'refused' | 'unreachable' | 'untrusted' | 'identity-changed' | 'logged-out' | 'store'

export interface ChatErrorDetails {
  /** What to do about it, for a person to read. */
  hint?: string
  /** The HTTP status of the server's answer. */
  status?: number
  cause?: unknown
}

/** The one error that the SDK throws: `kind` says whose business it is, `code` what it is, for programs. */
export class ChatError extends Error {
  override readonly name = 'ChatError'
  readonly kind: ChatErrorKind
  readonly code: string
  readonly hint?: string
  readonly status?: number

  constructor(kind: ChatErrorKind, code: string, message: string, details: ChatErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.kind = kind
    this.code = code
    if (details.hint !== undefined) this.hint = details.hint
    if (details.status !== undefined) this.status = details.status
  }
}

/** A refusal, with the members that its problem document adds: `head`, `statements`, `conversationId`, … */
export class RefusedError extends ChatError {
  readonly members: Readonly<Record<string, unknown>>
  /** Milliseconds after which the server wants to be asked again. */
  readonly retryAfter: number | null

  constructor(status: number, problem: Record<string, unknown>, retryAfter: number | null) {
    const { type, detail } = problem
    const code = typeof type === 'string' ? type.replace(/^.*\//, '').slice(0, 64) : `status-${status}`
    const message = typeof detail === 'string' ? detail.slice(0, 1000) : `The server answered ${status}.`
    const hint = whereWrong(problem['errors'])
    super('refused', code, message, { status, ...(hint !== '' && { hint }) })
    this.members = problem
    this.retryAfter = retryAfter
  }
}

/** What `errors` of a problem say, such as `password: must NOT have fewer than 10 characters`. */
function whereWrong(errors: unknown): string {
  if (!Array.isArray(errors)) return ''
  return (errors as { path?: unknown; message?: unknown }[])
    .slice(0, 5)
    .map(({ path, message }) => `${String(path).replace(/^body\//, '')}: ${String(message)}`.slice(0, 200))
    .join('; ')
}

/** Whether the server refused with one of these problem codes. */
export function isRefusal(error: unknown, ...codes: string[]): error is RefusedError {
  return error instanceof RefusedError && codes.includes(error.code)
}

/** Whether a refusal says nothing about the request itself. */
export function isTransient(error: unknown): boolean {
  return (
    error instanceof ChatError && error.status !== undefined && (error.status >= 500 || error.status === 408)
  )
}

/** Trying again would not help, or would say to a new identity what was meant for the one before. */
export function isPermanent(error: unknown): boolean {
  if (error instanceof ChatError && error.kind === 'identity-changed') return true
  return error instanceof RefusedError && !isTransient(error) && error.status !== 429 && error.status !== 401
}

/** The server showed something that the protocol refuses; `code` names the attack. */
export function untrusted(code: string, message: string, cause?: unknown): ChatError {
  return new ChatError('untrusted', code, message, cause === undefined ? {} : { cause })
}

/** A rule of the protocol or a check that something fails, as what it means to a client. */
export function toUntrusted(error: unknown, what: string): unknown {
  if (error instanceof CryptoError) return untrusted(error.code, `${what}: ${error.message}`, error)
  if (!(error instanceof RuleViolation)) return error
  if (error.code === 'stale-chain')
    return untrusted('forked-chain', `${what} does not extend what was seen before.`, error)
  if (error.code === 'invalid-signature')
    return untrusted('bad-signature', `${what} is not signed by who must sign it.`, error)
  return untrusted('forbidden-statement', `${what}: ${error.message}`, error)
}
