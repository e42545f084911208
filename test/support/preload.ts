import { statfsSync } from 'node:fs'
import module, { syncBuiltinESMExports } from 'node:module'

/** Loaded before all else by each test file, and by each process that it starts (`.taprc`). */
const MEMORY = '/dev/shm'
const ENOUGH = 4 * 2 ** 30

// What tests keep in temporary folders lies in memory, if there is room.
try {
  const { bavail, bsize } = statfsSync(MEMORY)
  if (bavail * bsize >= ENOUGH) process.env['TMPDIR'] ??= MEMORY
} catch {
  // Then they lie where the system has its temporary folders.
}

// tap has every module pass through a second thread, for coverage and mocks. We use neither, and to start a server would
// take twice the time.
Object.assign(module, { register: () => undefined, registerHooks: () => undefined })
syncBuiltinESMExports()

// Who is started elsewhere would not find a relative path.
process.env['NODE_OPTIONS'] = `--import=${import.meta.url}`
