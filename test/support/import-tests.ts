import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'

/**
 * Runs the test files below a folder whose names end with `ending`, in this process. The output names each
 * file.
 */
export async function importTests(t: Test, folder: string, ending: string): Promise<void> {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    if (!name.endsWith(ending)) continue
    t.comment(name)
    await import(join(folder, name))
  }
}
