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

/**
 * @returns undefined for a refusal: after a moment of one by a limit, after a second if the server is overloaded
 * @throws {Error} if it is refused for another reason
 */
export async function unlessLimited<A extends { status: number }>(
  answer: Promise<A>
): Promise<A | undefined> {
  const given = await answer
  if (given.status < 400) return given
  if (given.status !== 429 && given.status !== 503)
    throw new Error(`a request was answered with ${given.status}`)
  await sleep(given.status === 503 ? 1000 : 20)
  return undefined
}
