import { setTimeout as sleep } from 'node:timers/promises'

/**
 * How long a test waits for what must happen: only a failure takes as long. Shorter than `POLL_INTERVAL` at
 * its longest.
 */
export const DEADLINE_MS = 30_000

/** Resolves when the condition holds, which is checked every few milliseconds. @throws after `DEADLINE_MS` */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  what = 'the condition'
): Promise<void> {
  for (const until = Date.now() + DEADLINE_MS; !(await holds()); await sleep(10))
    if (Date.now() > until) throw new Error(`not in ${DEADLINE_MS} ms: ${what}`)
}
