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
