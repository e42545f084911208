import { join } from 'node:path'
import t from 'tap'
import { IN_PROCESS, importTests } from './support/import-tests.js'
import { findBinaries } from './support/postgres-binaries.js'

// On PostgreSQL they take half the processor time that they take on PGlite. CI runs them on both.
if (typeof (await findBinaries()) !== 'string') process.env['TEST_DATABASE'] ??= 'postgres'
await importTests(t, join(import.meta.dirname, 'server/features'), IN_PROCESS)
