import asyncHooks from 'node:async_hooks'
import { statfsSync } from 'node:fs'
import module, { syncBuiltinESMExports } from 'node:module'

/** Each test file loads this first, and so does each process that it starts (`.taprc`). */
const MEMORY = '/dev/shm'
const ENOUGH = 4 * 2 ** 30

// Temporary folders are in memory if there is room.
try {
  const { bavail, bsize } = statfsSync(MEMORY)
  if (bavail * bsize >= ENOUGH) process.env['TMPDIR'] ??= MEMORY
} catch {
  // There is no such folder: the system's temporary folder is used.
}

// tap registers loader hooks for coverage and mocks. We use neither, and with them every module goes through
// a second thread, so that a server takes twice as long to start. Therefore registering does nothing here.
Object.assign(module, { register: () => undefined, registerHooks: () => undefined })

// tap follows every promise, to know which test an error belongs to that nobody catches. That is a quarter of
// the time of a client. Such an error still fails its file: a rejection at the end, an exception at once.
const noHook = { enable: () => noHook, disable: () => noHook }
Object.assign(asyncHooks, { createHook: () => noHook })
syncBuiltinESMExports()

// A process that starts in another folder would not find a relative path.
process.env['NODE_OPTIONS'] = `--import=${import.meta.url}`
