import { hintFor } from '../errors.js'

/** What one check of `doctor` has come to. */
export interface Check {
  check: string
  status: 'ok' | 'warn' | 'fail'
  message: string
  /** What to do about it. */
  hint?: string
}

export function warning(message: string, hint: string): Omit<Check, 'check'> {
  return { status: 'warn', message, hint }
}

export function fault(message: string, hint: string): Omit<Check, 'check'> {
  return { status: 'fail', message, hint }
}

/** Do a check: `work` says in words that all is well, or what is not; whatever it throws is a fault. */
export async function runCheck(
  check: string,
  url: string,
  work: () => Promise<string | Omit<Check, 'check'>>
): Promise<Check> {
  try {
    const result = await work()
    return { check, ...(typeof result === 'string' ? { status: 'ok', message: result } : result) }
  } catch (error) {
    const hint = hintFor(error, url)
    return { check, status: 'fail', message: reasons(error), ...(hint !== undefined && { hint }) }
  }
}

/** What went wrong, and what was behind it: of a certificate that has run out, say, the SDK knows only the outcome. */
function reasons(error: unknown): string {
  const said: string[] = []
  for (let cause: unknown = error; cause instanceof Error && said.length < 5; cause = cause.cause)
    if (cause.message !== '' && cause.message !== 'fetch failed') said.push(cause.message.replace(/\.$/, ''))
  return said.length === 0 ? String(error) : `${said.join(': ')}.`
}
