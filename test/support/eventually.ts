import { setTimeout as sleep } from 'node:timers/promises'

/** Resolves when the condition holds, looked at every few milliseconds. @throws when it does not in time. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
  what = 'the condition'
): Promise<void> {
  for (const until = Date.now() + timeoutMs; !(await holds()); await sleep(10))
    if (Date.now() > until) throw new Error(`not in ${timeoutMs} ms: ${what}`)
}
