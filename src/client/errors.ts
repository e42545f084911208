import { CryptoError } from '../crypto/errors.js'
import { RuleViolation } from '../protocol/rule-violation.js'

/**
 * The kind of an error says what helps:
 * - `usage`: the caller's mistake, such as a user who does not exist
 * - `refused`: the server said no; `code` is its problem's code, `status` its HTTP status
 * - `unreachable`: no answer of the server came; trying again later may help
 * - `untrusted`: the server showed something that the protocol refuses; `code` names the attack
 * - `identity-changed`: a contact has a new identity, which has to be accepted before anything is sent
 * - `logged-out`: there is no session, or it has ended
 * - `store`: the key store cannot be read or written
 */
export type ChatErrorKind =
  'usage' | 'refused' | 'unreachable' | 'untrusted' | 'identity-changed' | 'logged-out' | 'store'

export interface ChatErrorDetails {
  /** Advice for the user. */
  hint?: string
  /** The HTTP status of the server's answer. */
  status?: number
  /** The ends of two chains that do not fit: the one known here, and the one that the server shows. */
  heads?: Heads
  /** Whose chain it is, or of which conversation. Absent for the own one, in whose place nobody takes another. */
  about?: ErrorAbout
  cause?: unknown
}

export interface ErrorAbout {
  username?: string
  conversationId?: string
}

export interface Heads {
  known: string
  served: string
}

/** The error that the SDK throws. `kind` and `code` are for programs, the message and `hint` for the user. */
export class ChatError extends Error {
  override readonly name = 'ChatError'
  readonly kind: ChatErrorKind
  readonly code: string
  readonly hint?: string
  readonly status?: number
  readonly heads?: Heads
  readonly about?: ErrorAbout

  constructor(kind: ChatErrorKind, code: string, message: string, details: ChatErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.kind = kind
    this.code = code
    if (details.hint !== undefined) this.hint = details.hint
    if (details.status !== undefined) this.status = details.status
    if (details.heads !== undefined) this.heads = details.heads
    if (details.about !== undefined) this.about = details.about
  }
}

/**
 * The server's refusal, with all members of its problem document: `head`, `statements`, `conversationId`, …
 */
export class RefusedError extends ChatError {
  readonly members: Readonly<Record<string, unknown>>
  /** Milliseconds to wait before the next attempt, if the server says so. */
  readonly retryAfter: number | null

  /** @param problem a document that has a `problemCode` */
  constructor(status: number, problem: Record<string, unknown>, retryAfter: number | null) {
    const { detail } = problem
    const code = problemCode(problem)!
    const message = typeof detail === 'string' ? detail.slice(0, 1000) : `The server answered ${status}.`
    const hint = hintFrom(problem['errors'])
    super('refused', code, message, { status, ...(hint !== '' && { hint }) })
    this.members = problem
    this.retryAfter = retryAfter
  }
}

/** The code of a problem document of this API; null for anything else, such as what a proxy answers. */
export function problemCode(problem: unknown): string | null {
  const { type } = (problem ?? {}) as { type?: unknown }
  return typeof type === 'string' ? (/^\/problems\/([a-z-]{1,64})$/.exec(type)?.[1] ?? null) : null
}

/** The `errors` of a problem document, such as `password: must NOT have fewer than 10 characters`. */
function hintFrom(errors: unknown): string {
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

/** Whether the server failed, or took too long, with a request that may be valid. */
export function isTransient(error: unknown): boolean {
  return isRefusal(error, 'request-timeout') || (error instanceof RefusedError && error.status! >= 500)
}

/** Codes that decide nothing, as a 401: the request did not arrive as it was sent, or not in time, or has no session. */
const UNDECIDED: readonly string[] = [
  'not-found',
  'malformed-json',
  'unsupported-media-type',
  'headers-too-large',
  'request-timeout',
  'too-many-requests',
  'device-required',
  'device-pending'
]

/**
 * Whether the server has decided against a request. Anything else leaves open whether it took effect
 * (docs/protocol.md, "What a client believes").
 */
export function isDecidedRefusal(error: unknown): error is RefusedError {
  return (
    error instanceof RefusedError &&
    error.status! < 500 &&
    error.status !== 401 &&
    !UNDECIDED.includes(error.code)
  )
}

/**
 * Whether a message that failed so is never sent: the server has refused it, or its receiver has a new
 * identity.
 */
export function isPermanent(error: unknown): boolean {
  if (isOvertaken(error)) return false
  return isDecidedRefusal(error) || (error instanceof ChatError && error.kind === 'identity-changed')
}

/** Others have been faster, or know more. A request that is made from what stands now may succeed. */
export const CONFLICTS = ['stale-chain', 'stale-roster', 'root-changed', 'key-required'] as const

/** Whether others were faster all the time, or there is no more for now: the same may succeed later. */
export function isOvertaken(error: unknown): boolean {
  return isRefusal(error, ...CONFLICTS, 'rekey-required', 'key-not-due')
}

/** Whether no answer came, the server cannot answer now, or not so often, or another program holds the store. */
export function isForNow(error: unknown): error is ChatError {
  if (!(error instanceof ChatError)) return false
  const isLater = error.kind === 'unreachable' || error.code === 'store-busy'
  return isLater || isTransient(error) || isRefusal(error, 'too-many-requests')
}

/**
 * Whether the same call may succeed later, without a change: no answer came, the server cannot answer now, or not so
 * often, others were faster, or another program holds the store.
 */
export function mayPass(error: unknown): boolean {
  return isForNow(error) || isOvertaken(error)
}

/** Whether the server says that there is no such conversation, or that the user is not in it. */
export function isLeft(error: unknown): boolean {
  return isRefusal(error, 'conversation-not-found')
}

/** Whether an error is about one conversation, and not about the way to the server: others may go on. */
export function isAboutOne(error: unknown): error is ChatError {
  if (isDecidedRefusal(error) || isRefusal(error, 'too-many-requests')) return true
  if (!(error instanceof ChatError) || error.code === 'closed') return false
  return ['untrusted', 'identity-changed', 'usage'].includes(error.kind)
}

/** An error for data that the protocol refuses. @param code names the attack */
export function untrusted(code: string, message: string, cause?: unknown): ChatError {
  return new ChatError('untrusted', code, message, cause === undefined ? {} : { cause })
}

export function replayed(why: string): ChatError {
  return untrusted('replayed-message', `A message was sent again as a new one: ${why}.`)
}

/** The same error with what it lacks of these details, if it is about data that the protocol refuses. */
export function withDetails(error: unknown, details: Pick<ChatErrorDetails, 'about' | 'heads'>): unknown {
  if (!(error instanceof ChatError) || error.kind !== 'untrusted') return error
  const { kind, code, message, hint, heads = details.heads, about = details.about, cause } = error
  return new ChatError(kind, code, message, {
    ...(hint !== undefined && { hint }),
    ...(heads !== undefined && { heads }),
    ...(about !== undefined && { about }),
    cause
  })
}

/** @param heads of the two chains */
export function forkedChain(username: string, heads: Heads, cause?: unknown): ChatError {
  return new ChatError(
    'untrusted',
    'forked-chain',
    `The server shows another chain of ${username} (head ${heads.served}) than before (head ${heads.known}).`,
    {
      heads,
      about: { username },
      hint: 'The server may show different chains to different people. Accept its chain only if you know why it changed.',
      ...(cause !== undefined && { cause })
    }
  )
}

/** @param heads of the two chains */
export function serverBehind(username: string, heads?: Heads): ChatError {
  return new ChatError(
    'untrusted',
    'server-behind',
    `The server shows an older chain of ${username} than this device has seen.`,
    {
      ...(heads !== undefined && { heads }),
      about: { username },
      hint: 'It was restored from a backup, or it hides something. Nothing is sent there until it shows the rest.'
    }
  )
}

/** A look has brought the end of a chain that is not the known one any more. */
export function replacedChain(what: string): ChatError {
  return new ChatError(
    'unreachable',
    'busy-chain',
    `The person has taken another chain of ${what} meanwhile.`
  )
}

/** A failed check of the protocol or the cryptography as an `untrusted` error; any other error as it is. */
export function toUntrusted(error: unknown, what: string): unknown {
  if (error instanceof CryptoError) return untrusted(error.code, `${what}: ${error.message}`, error)
  if (!(error instanceof RuleViolation)) return error
  if (error.code === 'stale-chain')
    return untrusted('forked-chain', `${what} does not extend what was seen before.`, error)
  if (error.code === 'invalid-signature')
    return untrusted('bad-signature', `${what} is not signed by who must sign it.`, error)
  return untrusted('forbidden-statement', `${what}: ${error.message}`, error)
}
