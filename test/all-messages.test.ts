import { join } from 'node:path'
import t from 'tap'
import { importTests } from './support/import-tests.js'
import { useReadyKeys } from './support/ready-keys.js'

useReadyKeys()

// Messages and session keys of clients.
const names = /^(conversations|messages|session-keys)\/[^.]+\.test\.js$/
await importTests(t, join(import.meta.dirname, 'client'), names)
