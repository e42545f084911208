import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { refillReadyKeys } from './ready-keys.js'

/** Files that need only what is in this process: no unit tests, which run by themselves, and no PostgreSQL. */
export const IN_PROCESS = /^[^.]+\.test\.js$/

/**
 * Runs the test files below a folder in this process, one after the other. The output names each file. Servers
 * that a file has started end with its last test.
 *
 * @param names of the files, compiled
 */
export async function importTests(t: Test, folder: string, names: RegExp): Promise<void> {
  const teardown = t.teardown.bind(t)
  const plan = t.plan.bind(t)
  const setTimeout = t.setTimeout.bind(t)
  // A file that cannot run here says why. The others run all the same.
  t.plan = (count, reason) => (count === 0 ? t.comment(reason ?? 'skipped') : plan(count, reason))
  // The time that a file gives itself would be that of all files after it. The group has the time of `.taprc`.
  t.setTimeout = () => undefined
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    if (!names.test(name)) continue
    t.comment(name)
    refillReadyKeys()
    const ends: Parameters<typeof teardown>[0][] = []
    t.teardown = (end) => {
      ends.push(end)
    }
    await import(join(folder, name))
    // It waits for the tests of the file: those of the next one may need other clocks.
    await t.test(`${name} ends`, async () => {
      for (const end of ends.reverse()) await end()
    })
  }
  Object.assign(t, { teardown, plan, setTimeout })
}
