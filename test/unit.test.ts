import { ChildProcess } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { Server } from 'node:net'
import { join } from 'node:path'
import t from 'tap'

/** All `*.unit.test.ts`, in one process: to start one costs more than most of these tests. */
const here = import.meta.dirname

for (const [prototype, method] of [
  [Server.prototype, 'listen'],
  [ChildProcess.prototype, 'spawn']
] as const)
  Object.defineProperty(prototype, method, {
    value() {
      throw new Error('A unit test starts no server and no process. Rename the file to `*.test.ts`.')
    }
  })

for (const name of readdirSync(here, { recursive: true, encoding: 'utf8' }).sort()) {
  if (!name.endsWith('.unit.test.js')) continue
  t.comment(name.replace(/js$/, 'ts'))
  await import(join(here, name))
}
