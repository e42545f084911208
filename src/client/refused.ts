import { ChatError } from './errors.js'

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

/** Whether a refusal says nothing about the request itself. */
export function isTransient(error: unknown): boolean {
  return (
    error instanceof ChatError && error.status !== undefined && (error.status >= 500 || error.status === 408)
  )
}

/** Whether a message has to be sealed under a newer session key. */
export function isRekeyRequired(error: unknown): boolean {
  return error instanceof RefusedError && error.code === 'rekey-required'
}

/** Trying again would not help, or would say to a new identity what was meant for the one before. */
export function isPermanent(error: unknown): boolean {
  if (error instanceof ChatError && error.kind === 'identity-changed') return true
  return error instanceof RefusedError && !isTransient(error) && error.status !== 429 && error.status !== 401
}
