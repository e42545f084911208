import { join } from 'node:path'
import t from 'tap'
import { importTests } from './support/import-tests.js'

// Accounts, outbox, transport and stores of clients, and clients that talk with each other. key-size.test.ts needs
// keys that nobody has prepared.
const names =
  /^(features|identity(?!.key-size)|outbox|transport|stores\/file)\/[^.]+\.test\.js$|^(interop|second-client|talk|secrets|shared|everyone)[^./]*\.test\.js$/
await importTests(t, join(import.meta.dirname, 'client'), names)
