import { join } from 'node:path'
import t from 'tap'
import { IN_PROCESS, importTests } from './support/import-tests.js'

await importTests(t, join(import.meta.dirname, 'docs'), IN_PROCESS)
