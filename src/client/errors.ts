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
