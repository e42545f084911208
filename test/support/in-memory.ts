import { statfsSync } from 'node:fs'

/** Loaded before each test file (`.taprc`): what tests keep in temporary folders lies in memory, if there is room. */
const MEMORY = '/dev/shm'
const ENOUGH = 4 * 2 ** 30

try {
  const { bavail, bsize } = statfsSync(MEMORY)
  if (bavail * bsize >= ENOUGH) process.env['TMPDIR'] ??= MEMORY
} catch {
  // Then they lie where the system has its temporary folders.
}
