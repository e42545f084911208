import { join } from 'node:path'
import t from 'tap'
import { IN_PROCESS, importTests } from './support/import-tests.js'
import { useReadyKeys } from './support/ready-keys.js'

useReadyKeys()

await importTests(t, join(import.meta.dirname, 'client/malicious-server'), IN_PROCESS)
