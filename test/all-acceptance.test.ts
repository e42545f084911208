import { join } from 'node:path'
import t from 'tap'
import { importTests } from './support/import-tests.js'

// The whole product, on each database.
await importTests(t, join(import.meta.dirname, 'acceptance'), /^[^/]+\.test\.js$/)
