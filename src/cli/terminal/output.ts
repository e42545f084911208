import type { Writable } from 'node:stream'
import { wrap } from './wrap.js'

/** Where a command writes: a terminal with a width, or a file or pipe. */
export type Output = Writable & { isTTY?: boolean; columns?: number }

interface Environment {
  env: Readonly<Record<string, string | undefined>>
}

/** Whether a terminal continues at column 0 when a row is full (DECAWM). */
const AUTO_WRAP_OFF = '\u001b[?7l'
const AUTO_WRAP_ON = '\u001b[?7h'

/**
 * Sanitized text as an output takes it. For a terminal it is wrapped here: a terminal continues a long line at
 * column 0, where text by others could look like a line of this program. A terminal that counts the cells of a
 * character otherwise must not do it either.
 */
export function laidOut(text: string, output: Output, { env }: Environment): string {
  if (output.isTTY !== true) return `${text}\n`
  const rows = wrap(text, columnsOf(output)).join('\n')
  return hasModes(output, env) ? `${AUTO_WRAP_OFF}${rows}${AUTO_WRAP_ON}\n` : `${rows}\n`
}

/** Run `work`, which wraps what it writes by itself. */
export async function withoutAutoWrap<T>(
  output: Output,
  { env }: Environment,
  work: () => Promise<T>
): Promise<T> {
  if (!hasModes(output, env)) return work()
  output.write(AUTO_WRAP_OFF)
  try {
    return await work()
  } finally {
    output.write(AUTO_WRAP_ON)
  }
}

/** The width in cells. Some terminals tell none. */
export function columnsOf({ columns }: Pick<Output, 'columns'>): number {
  return columns || 80
}

function hasModes({ isTTY }: Output, env: Environment['env']): boolean {
  return isTTY === true && env['TERM'] !== 'dumb'
}
