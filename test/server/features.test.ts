import { join } from 'node:path'
import t from 'tap'
import { IN_PROCESS, importTests } from '../support/import-tests.js'

// In one process, all these take half the time.
await importTests(t, join(import.meta.dirname, 'features'), IN_PROCESS)
