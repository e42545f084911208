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

t.test('Values over many lines follow each other, as jq writes them', async (t) => {
  const values = [{ a: 1, b: [2] }, { c: { d: 'e' } }, [3]]
  const stdin = Readable.from([
    Buffer.from(values.map((value) => `${JSON.stringify(value, null, 2)}\n`).join(''))
  ])
  t.strictSame(await all(jsonFromStdin(stdin)), values)
})

t.test('A line that is not JSON is refused as soon as it is complete', async (t) => {
  const stdin = new PassThrough()
  const values = jsonFromStdin(stdin)
  stdin.write('{"a":1}\nnot json\n')
  t.strictSame((await values.next()).value, { a: 1 })
  await t.rejects(values.next(), { message: 'Stdin is not JSON.' })
})

t.test('Bytes that are not UTF-8 are refused', async (t) => {
  for (const bytes of [
    [0x22, 0xff, 0x22, 0x0a],
    [0x22, 0x22, 0x0a, 0xc3]
  ])
    await t.rejects(all(jsonFromStdin(Readable.from([Buffer.from(bytes)]))), {
      message: 'Stdin is not text in UTF-8.'
    })
})

t.test('Input that never ends is refused', async (t) => {
  const endless = function* () {
    for (;;) yield Buffer.alloc(2 ** 20, ' ')
  }
  await t.rejects(all(jsonFromStdin(Readable.from(endless()))), UsageError)
})
