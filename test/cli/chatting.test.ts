import { readFile, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { lines, machine } from '../support/cli-process.js'
import { PASSWORD } from '../support/command-line.js'
import { startServer } from '../support/server-process.js'

const server = await startServer(t)
const home = await machine(t, server.url)
await home.register('alice', 'bob', 'carol')

t.test('Three users chat in a group, and each sees all messages with their senders', async (t) => {
  const [id] = (await home.ok('alice', ['group', 'create', 'lunch', 'bob', 'carol'])).trim().split('\n')
  const bobs = home.start('bob', ['listen'])
  const carols = home.start('carol', ['listen', '--json'])
  await Promise.all([bobs.shows('Connected'), carols.shows('Connected')])
  await home.ok('alice', ['send', 'lunch', 'who is hungry?'])
  await bobs.shows(/^\d{4}-\d\d-\d\d \d\d:\d\d alice \["lunch"\]: who is hungry\?$/m)
  await home.ok('bob', ['send', 'lunch'], { stdin: 'I am\nvery\n' })
  await home.ok('carol', ['send', id!, 'not me'])
  await Promise.all([bobs.shows('not me'), carols.shows('not me')])

  const said = [
    ['alice', 'title', 'lunch'],
    ['alice', 'text', 'who is hungry?'],
    ['bob', 'text', 'I am\nvery'],
    ['carol', 'text', 'not me']
  ]
  const { code, out, err } = await carols.interrupted()
  t.strictSame([code, err], [0, 'Connected.\n'], 'Ctrl-C ends it quietly')
  const heard = lines(out)
  t.strictSame(
    heard.map(({ from, type, body }) => [from, type, body]),
    said
  )
  const members = ['id', 'conversationId', 'from', 'type', 'body', 'sentAt', 'position']
  for (const message of heard) t.strictSame(Object.keys(message).slice(0, 7), members)
  t.ok(heard.every(({ conversationId }) => conversationId === id))
  t.equal((await bobs.interrupted()).code, 0)
  t.match(bobs.out, 'bob ["lunch"]: I am\n  very\n')

  for (const person of ['alice', 'bob', 'carol']) {
    const history = await home.json(person, ['history', 'lunch'])
    t.strictSame(
      history.map(({ from, type, body }) => [from, type, body]),
      said,
      `${person} reads the same in the history`
    )
  }
})

t.test('Messages can be read after the programs and the server have restarted', async (t) => {
  await home.ok('alice', ['send', 'bob', 'one'])
  await home.ok('bob', ['send', 'alice', 'two'])
  await server.restart('SIGTERM')
  await home.ok('alice', ['send', 'bob', 'three'])
  const history = await home.json('bob', ['history', 'alice'])
  t.strictSame(
    history.map(({ body }) => body),
    ['one', 'two', 'three']
  )
  const [, second] = history
  t.equal((await home.json('bob', ['history', 'alice', '--limit', '1']))[0]!['body'], 'three')
  const after = ['--after', String(second!['position'])]
  t.match(await home.ok('alice', ['history', '@bob', ...after]), /^[\d :-]+ alice: three\n$/)
  const before = ['--before', String(second!['position']), '--limit', '5']
  t.match(await home.ok('alice', ['history', 'bob', ...before]), /^[\d :-]+ alice: one\n$/)
})

t.test('"listen" continues where it ended, and --count limits its messages', async (t) => {
  await home.ok('carol', ['send', 'alice', 'first'])
  await home.ok('carol', ['send', 'alice', 'second'])
  await home.ok('carol', ['send', 'alice', 'third'])
  const listen = async (count: number) =>
    (await home.json('alice', ['listen', '--count', String(count)]))
      .map(({ body }) => body)
      .filter((body) => ['first', 'second', 'third'].includes(String(body)))
  // Messages of the tests before come first.
  let heard: unknown[] = []
  while (heard.length === 0) heard = await listen(1)
  t.strictSame(heard, ['first'])
  t.strictSame(await listen(2), ['second', 'third'])
})

t.test('"listen" ends quietly when the reader of its output goes away, and loses no message', async (t) => {
  const listening = home.start('carol', ['listen', '--json'])
  await listening.shows('Connected')
  listening.child.stdout!.destroy()
  await home.ok('bob', ['send', 'carol', 'is anybody there?'])
  t.match(await listening.ended(), { code: 0, err: 'Connected.\n' })
  const again = home.start('carol', ['listen', '--json'])
  await again.shows('is anybody there?')
  await again.interrupted()
})

t.test('Text by others cannot control the terminal', async (t) => {
  const evil = 'a\u001b]0;pwned\u0007b\u009b31mc\u202ed\rback\n2026-01-01 00:00 bob: I owe you'
  await home.ok('alice', ['send', 'bob'], { stdin: evil })
  await home.ok('alice', ['group', 'create', 'x\u001b[2J] bob: hi', 'bob'])
  const human = [
    await home.ok('bob', ['history', 'alice']),
    await home.ok('bob', ['conversations']),
    await home.ok('bob', ['listen', '--count', '1'])
  ].join('')
  const json = [
    await home.ok('bob', ['history', 'alice', '--json']),
    await home.ok('bob', ['conversations', '--json'])
  ].join('')
  for (const text of [human, json]) t.notMatch(text.replaceAll('\n', ''), /[\p{Cc}\u202a-\u202e]/u)
  t.match(human, '\n  2026-01-01 00:00 bob: I owe you\n', 'a second line does not pass for another message')
  t.ok(
    lines(json).some(({ body }) => body === evil),
    'scripts get what was said'
  )
})

t.test(
  'Right-to-left text comes through with its marks, and a title is the same name without them',
  async (t) => {
    const text = 'שלום\u200f (bob) \u2067abc\u2069'
    const team = 'צוות'
    await home.ok('alice', ['group', 'create', `\u200f${team}`, 'bob'])
    await home.ok('alice', ['send', team, text])
    t.match(await home.ok('bob', ['history', team]), `alice: \u2068${text}\u2069\n`)
    t.match(await home.ok('bob', ['conversations']), `"\u2068${team}\u2069"`)
    t.equal(
      (await home.json('bob', ['conversations'])).find(({ title }) => title === `\u200f${team}`)?.['kind'],
      'group'
    )
    await home.ok('alice', ['group', 'create', `\u2067${team}\u2069`, 'bob'])
    t.match(await home.run('bob', ['send', team, 'which?']), { code: 2, err: /More than one group/ })
  }
)

t.test('A message that is sent twice with one id arrives once', async (t) => {
  const id = '6f1c2a52-5a36-4d8e-9a3e-0d5a4a1f7f10'
  const [first] = await home.json('alice', ['send', 'carol', 'once', '--id', id])
  const [second] = await home.json('alice', ['send', 'carol', 'once', '--id', id])
  t.match(first, { id, position: second!['position'] })
  const [answer] = await home.json('carol', ['send', 'alice', 'heard', '--reply', id])
  const history = await home.json('alice', ['history', 'carol'])
  t.equal(history.filter((message) => message['id'] === id).length, 1)
  const { digest } = history.find((message) => message['id'] === id)!
  t.match(history.at(-1), { id: answer!['id'], ref: { id, digest }, own: false })
})

t.test('Only the user can read the files of a profile, and no password is stored', async (t) => {
  const entries = await readdir(home.home, { recursive: true, withFileTypes: true })
  const paths = entries
    .filter((entry) => entry.isFile() || entry.isDirectory())
    .map(({ parentPath, name }) => join(parentPath, name))
  t.ok(paths.some((path) => path.endsWith('alice/keys/journal')))
  for (const path of paths) {
    const found = await stat(path)
    t.equal(found.mode & 0o077, 0, path)
    if (found.isFile()) t.notOk((await readFile(path, 'latin1')).includes(PASSWORD))
  }
})

t.test('The program ends with the documented exit codes', async (t) => {
  const code = async (args: readonly string[]) => (await home.start('alice', args).ended()).code
  t.equal(await code(['send', 'bob', 'hello']), 0)
  t.equal(await code(['send', 'nobody-at-all', 'hello']), 1)
  t.equal(await code(['send']), 2)
  t.equal(await code(['--url', 'http://127.0.0.1:9', 'login', 'alice']), 3)
})
