import { join } from 'node:path'
import t from 'tap'
import { importTests } from './support/import-tests.js'

// Those of the whole product (acceptance, command line, faults) take long, and run by themselves.
await importTests(t, join(import.meta.dirname, 'server'), /\.pg\.test\.js$/)
