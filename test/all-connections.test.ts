import { join } from 'node:path'
import t from 'tap'
import { importTests } from './support/import-tests.js'

// Sessions, limits, requests, streams and the log.
const names = /^(access|http|log|streaming)\/[^.]+\.test\.js$/
await importTests(t, join(import.meta.dirname, 'server'), names)
