import type { About } from '../advice.js'
import { hintFor } from '../errors.js'

/** The result of one check of `doctor`. */
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

export function failure(message: string, hint: string): Omit<Check, 'check'> {
  return { status: 'fail', message, hint }
}

/** Run a check. `work` returns a text if all is well, else a warning or a failure. An error is a failure. */
export async function runCheck(
  check: string,
  url: string,
  work: () => Promise<string | Omit<Check, 'check'>>,
  about: About = {}
): Promise<Check> {
  try {
    const result = await work()
    return { check, ...(typeof result === 'string' ? { status: 'ok', message: result } : result) }
  } catch (error) {
    const hint = hintFor(error, url, about)
    return { check, status: 'fail', message: reasons(error), ...(hint !== undefined && { hint }) }
  }
}

/** The messages of an error and its causes: that a certificate has expired stands only in the cause. */
function reasons(error: unknown): string {
  const found: string[] = []
  for (let cause: unknown = error; cause instanceof Error && found.length < 5; cause = cause.cause)
    if (cause.message !== '' && cause.message !== 'fetch failed') found.push(cause.message.replace(/\.$/, ''))
  return found.length === 0 ? String(error) : `${found.join(': ')}.`
}
