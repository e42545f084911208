import { ChildProcess } from 'node:child_process'
import { Server } from 'node:net'
import t from 'tap'
import { importTests } from './support/import-tests.js'

for (const [prototype, method] of [
  [Server.prototype, 'listen'],
  [ChildProcess.prototype, 'spawn']
] as const)
  Object.defineProperty(prototype, method, {
    value() {
      throw new Error('A unit test starts no server and no process. Rename the file to `*.test.ts`.')
    }
  })

// To start a process takes longer than most of these tests.
await importTests(t, import.meta.dirname, /\.unit\.test\.js$/)
