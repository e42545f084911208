import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import { UsageError } from '../../../src/cli/errors.js'
import { jsonFromStdin } from '../../../src/cli/terminal/stdin.js'
import { all } from '../../support/chat-clients.js'

t.test('A value on a line is read before the next one has come', async (t) => {
  const stdin = new PassThrough()
  const values = jsonFromStdin(stdin)
  stdin.write('{"a":"é"}\n\n[1,')
  t.strictSame((await values.next()).value, { a: 'é' })
  stdin.end('2]')
  t.strictSame((await values.next()).value, [1, 2])
  t.equal((await values.next()).done, true)
})

t.test('A document over many lines is one value', async (t) => {
  const value = { a: [1, { b: 'c\nd' }] }
  const bytes = [...Buffer.from(JSON.stringify(value, null, 2))]
  const stdin = Readable.from(bytes.map((byte) => Buffer.from([byte])))
  t.strictSame(await all(jsonFromStdin(stdin)), [value])
})

t.test('Input that never ends is refused', async (t) => {
  const endless = function* () {
    for (;;) yield Buffer.alloc(2 ** 20, ' ')
  }
  await t.rejects(all(jsonFromStdin(Readable.from(endless()))), UsageError)
})
