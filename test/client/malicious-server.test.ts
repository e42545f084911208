import { join } from 'node:path'
import t from 'tap'
import { importTests } from '../support/import-tests.js'
import { useReadyKeys } from '../support/ready-keys.js'

useReadyKeys()

// In one process, a server with a database of its own starts in half the time.
await importTests(t, join(import.meta.dirname, 'malicious-server'), '.test.js')
