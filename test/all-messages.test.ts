import { join } from 'node:path'
import t from 'tap'
import { importTests } from './support/import-tests.js'
import { useReadyKeys } from './support/ready-keys.js'

useReadyKeys()

// What clients send, read and keep, and the keys for it.
const names = /^(conversations|messages|session-keys)\/[^.]+\.test\.js$/
await importTests(t, join(import.meta.dirname, 'client'), names)
