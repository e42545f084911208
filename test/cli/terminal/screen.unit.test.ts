import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import { Screen } from '../../../src/cli/terminal/screen.js'
import { Keyboard, Terminal } from '../../support/terminal.js'

function screen(columns?: number) {
  const stdin = new Keyboard()
  const stdout = new Terminal(columns)
  const signal = new AbortController().signal
  const shown = new Screen({ argv: [], env: {}, stdin, stdout, stderr: stdout, signal })
  return { stdin, stdout, shown }
}

t.test('A pasted text is one line with its breaks, however its bytes arrive', async (t) => {
  const pasted = '\u001b[200~line one\n/quit\r\nGrüße\u001b[201~'
  for (const size of [1000, 8, 3]) {
    const { stdin, stdout, shown } = screen()
    const lines = shown.lines()[Symbol.asyncIterator]()
    const bytes = Buffer.from(`typed ${pasted} and more\rnext\r`)
    for (let at = 0; at < bytes.length; at += size) {
      stdin.write(bytes.subarray(at, at + size))
      await new Promise((soon) => setImmediate(soon))
    }
    t.equal((await lines.next()).value, 'typed line one\n/quit\nGrüße and more')
    t.equal((await lines.next()).value, 'next')
    t.match(stdout.lines[0], 'typed line one␊/quit␊Grüße and more')
    shown.close()
  }
})

t.test('New lines appear above the line that is being typed', async (t) => {
  const { stdin, stdout, shown } = screen()
  shown.setPrompt('bob> ')
  stdin.write('half a sen')
  await stdout.until(/half a sen/)
  shown.show('21:07 bob: hello')
  shown.show('21:08 bob: are you there?')
  t.strictSame(stdout.lines, ['21:07 bob: hello', '21:08 bob: are you there?', 'bob> half a sen'])
  stdin.write('tence')
  await stdout.until(/tence/)
  t.equal(stdout.lines.at(-1), 'bob> half a sentence')
  shown.close()
})

t.test(
  'A typed line that is wider than the terminal stays whole, and so do the lines above it',
  async (t) => {
    const { stdin, stdout, shown } = screen(20)
    shown.show('21:06 bob: first')
    shown.setPrompt('bob> ')
    stdin.write('0123456789'.repeat(4))
    await stdout.until(/bob> (?:[\d\n]+)9$/)
    shown.show('21:07 bob: second')
    shown.setPrompt('bob (2)> ')
    shown.show('21:08 bob: third')
    t.strictSame(stdout.lines, [
      '21:06 bob: first',
      '21:07 bob: second',
      '21:08 bob: third',
      'bob (2)> 01234567890',
      '12345678901234567890',
      '123456789'
    ])
    shown.close()
  }
)

t.test('A line that was entered can be shown in another form, however many rows it took', async (t) => {
  const { stdin, stdout, shown } = screen(20)
  shown.showEntered((line) => (line.startsWith('/') ? undefined : `21:07 alice: ${line}`))
  shown.setPrompt('bob> ')
  for (const line of ['hi', '0123456789'.repeat(4), '/help', '日本'.repeat(9)]) stdin.enter(line)
  await stdout.until(/日本.*\nbob>$/)
  t.strictSame(stdout.lines, [
    '21:07 alice: hi',
    '21:07 alice: 0123456',
    '  789012345678901234',
    '  567890123456789',
    'bob> /help',
    '21:07 alice: 日本日',
    '  本日本日本日本日本',
    '  日本日本日本',
    'bob>'
  ])
  shown.close()
})

t.test('Typed lines are read one by one, even those that were typed before the first read', async (t) => {
  const { stdin, shown } = screen()
  stdin.enter('one')
  stdin.enter('two')
  const lines: string[] = []
  for await (const line of shown.lines()) {
    lines.push(line)
    if (line === 'two') shown.close()
  }
  t.strictSame(lines, ['one', 'two'])
})

t.test('Without a terminal there is no prompt', async (t) => {
  const stdout = new PassThrough()
  const shown = new Screen({
    argv: [],
    env: {},
    stdin: Readable.from(['one\ntwo\n']),
    stdout,
    stderr: stdout,
    signal: new AbortController().signal
  })
  shown.setPrompt('bob> ')
  for await (const line of shown.lines()) shown.show(`got ${line}`)
  t.equal(String(stdout.read()), 'got one\ngot two\n')
})
