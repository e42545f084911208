import type { IncomingHttpHeaders } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** Resolves when a refused request may be sent again, by its `Retry-After`, or at the end. */
export async function retryTime(
  { headers }: { headers: IncomingHttpHeaders },
  end: AbortSignal
): Promise<void> {
  const again = performance.now() + Number(headers['retry-after']) * 1000
  while (!end.aborted && performance.now() < again) await sleep(100)
}

/** A refusal that says: not now. */
export const isLimit = ({ status }: { status: number }): boolean => status === 429 || status === 503

/**
 * @returns the answer; undefined 20 ms after a 429, and a second after a 503
 * @throws {Error} if the answer is another refusal
 */
export async function unlessLimited<A extends { status: number }>(answer: A): Promise<A | undefined> {
  if (answer.status < 400) return answer
  if (!isLimit(answer)) throw new Error(`a request was answered with ${answer.status}`)
  await sleep(answer.status === 503 ? 1000 : 20)
  return undefined
}
