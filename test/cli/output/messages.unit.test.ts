import t from 'tap'
import { exitCode, UsageError } from '../../../src/cli/errors.js'
import { formatTime, formatTable } from '../../../src/cli/terminal/format.js'
import { forPeople, type ShownMessage } from '../../../src/cli/output/for-people.js'
import { eventJson, messageJson, messageLine } from '../../../src/cli/output/messages.js'
import { conversationName } from '../../../src/cli/output/titles.js'
import { cells } from '../../../src/cli/terminal/width.js'
import { RefusedError } from '../../../src/client/errors.js'
import { ChatError, type IncomingMessage, type ReceivedContent } from '../../../src/client/index.js'

const ref = { id: 'm', digest: 'g' }

function message(content: ReceivedContent): IncomingMessage {
  return {
    type: 'message',
    id: 'm',
    conversationId: 'c',
    key: 'k',
    digest: 'g',
    n: 3,
    late: false,
    departed: false,
    from: { username: 'bob', deviceId: 'd', signingKey: 's' },
    own: false,
    content,
    position: 7,
    sentAt: '2026-05-04T21:07:09.000Z',
    receivedAt: '2026-05-04T21:07:10.000Z'
  }
}

const time = formatTime('2026-05-04T21:07:09.000Z')

t.test('Every message is a line that begins with its time and sender', async (t) => {
  const line = (content: ReceivedContent, title?: string) => {
    const [shown] = forPeople([message(content)])
    return shown?.type === 'message' ? messageLine(shown, title) : null
  }
  t.equal(line({ type: 'text', text: 'hello' }), `${time} bob: hello`)
  t.equal(line({ type: 'text', text: 'a\nb', ref }, '"ops"'), `${time} bob ["ops"]: (reply) a\n  b`)
  t.equal(line({ type: 'edit', ref, text: 'better' }), `${time} bob: (edit) better`)
  t.equal(line({ type: 'reaction', ref, text: '👍' }), `${time} bob: (reacts) 👍`)
  t.equal(line({ type: 'reaction', ref, text: '' }), `${time} bob: (removes a reaction)`)
  t.equal(line({ type: 'title', text: 'ops' }), `${time} bob: (names the group) "ops"`)
  t.match(line({ type: 'unknown', of: 'poll' }), 'that this version cannot show: "poll"')
  const file = {
    attachment: 'a',
    name: 'x\u001b.png',
    mediaType: 'image/png',
    size: 9,
    sha256: 's',
    key: 'f'
  }
  t.equal(line({ type: 'file', ...file, text: 'look' }), `${time} bob: (file) "x\\u{1b}.png", 9 bytes look`)
  t.equal(line({ type: 'retract', ref }), `${time} bob: (takes back a message)`)
  for (const type of ['trust', 'welcome', 'void'] as const)
    t.equal(line({ type } as ReceivedContent), null, `${type} is for devices`)
})

t.test('A message is marked if nobody can tell when it was said', async (t) => {
  const line = (marks: { late: boolean; departed: boolean }) =>
    messageLine({ ...message({ type: 'text', text: 'hello' }), ...marks } as ShownMessage, '"ops"')
  t.equal(line({ late: true, departed: false }), `${time} bob ["ops"] (late): hello`)
  t.equal(line({ late: false, departed: true }), `${time} bob ["ops"] (departed): hello`)
  t.equal(line({ late: true, departed: true }), `${time} bob ["ops"] (late, departed): hello`)
})

t.test('The text of a message that its author has taken back is hidden, and that of its edits', async (t) => {
  const said = { ...message({ type: 'text', text: 'secret' }), ...ref }
  const by = (username: string, content: ReceivedContent) => ({
    ...message(content),
    id: crypto.randomUUID(),
    position: 8,
    from: { username, deviceId: 'd', signingKey: username }
  })
  const edited = by('bob', { type: 'edit', ref, text: 'secret too' })
  const lines = (...items: IncomingMessage[]) =>
    forPeople([said, edited, ...items]).map((item) =>
      item.type === 'message' ? messageLine(item) : item.type
    )
  t.strictSame(lines(by('bob', { type: 'retract', ref })), [`${time} bob: (taken back)`])
  t.match(lines(by('mallory', { type: 'retract', ref })), [/secret$/, /secret too$/, /mallory/])
  const other = { ...ref, digest: 'another message under that id' }
  t.match(lines(by('bob', { type: 'retract', ref: other })), [/secret$/, /secret too$/, /takes back/])
})

t.test('A conversation is the other user, or the title of a group in quotes', async (t) => {
  const id = '0198c6f2-0000-7000-8000-000000000001'
  const name = (kind: 'direct' | 'group' | 'self', title: string | null) =>
    conversationName({ id, kind, title })
  t.equal(name('direct', 'bob'), 'bob')
  t.equal(name('group', 'bob'), '"bob"')
  t.equal(name('group', 'x": bob left. "y'), '"x\\": bob left. \\"y"', 'which no title can end')
  t.equal(name('group', null), id)
  t.equal(name('self', null), 'your devices')
})

t.test('A message for scripts begins with the same seven members', async (t) => {
  t.strictSame(messageJson(message({ type: 'text', text: 'hello', ref })), {
    id: 'm',
    conversationId: 'c',
    from: 'bob',
    type: 'text',
    body: 'hello',
    sentAt: '2026-05-04T21:07:09.000Z',
    position: 7,
    own: false,
    deviceId: 'd',
    receivedAt: '2026-05-04T21:07:10.000Z',
    key: 'k',
    digest: 'g',
    n: 3,
    late: false,
    departed: false,
    ref
  })
  const unknown = messageJson(message({ type: 'unknown', of: 'poll' }))
  t.match(unknown, { type: 'unknown', body: null, of: 'poll' })
  t.strictSame(Object.keys(unknown).slice(0, 7), [
    'id',
    'conversationId',
    'from',
    'type',
    'body',
    'sentAt',
    'position'
  ])
})

t.test('The key of a file does not pass for the key of its message', async (t) => {
  const members = { attachment: 'a', name: 'x', mediaType: 'image/png', size: 9, sha256: 's', key: 'f' }
  t.match(messageJson(message({ type: 'file', ...members, text: 'look' })), {
    key: 'k',
    body: 'look',
    file: members
  })
})

t.test('An event that is not a message is an object with its type', async (t) => {
  const error = new ChatError('untrusted', 'bad-signature', 'It is not signed.', {
    cause: new Error('inner')
  })
  const shown = { kind: 'untrusted', code: 'bad-signature', message: 'It is not signed.' }
  const { id, conversationId, key, from, position, receivedAt } = message({ type: 'text', text: '' })
  const rest = { id, conversationId, key, from, position, receivedAt }
  t.match(eventJson({ ...rest, type: 'unreadable', reason: 'untrusted', error }), {
    id: 'm',
    from: 'bob',
    type: 'unreadable',
    body: null,
    sentAt: null,
    position: 7,
    error: shown
  })
  t.strictSame(
    eventJson({ type: 'withheld', conversationId: 'c', key: 'k', from, first: 2, last: 4, count: 3 }),
    {
      type: 'withheld',
      conversationId: 'c',
      from: 'bob',
      deviceId: 'd',
      key: 'k',
      first: 2,
      last: 4,
      count: 3
    }
  )
  t.strictSame(eventJson({ type: 'untrusted', error }), { type: 'untrusted', error: shown })
  const changed = { type: 'identity-changed', username: 'bob', root: 'r', wasVerified: true } as const
  t.strictSame(eventJson(changed), changed)
})

t.test('The exit code tells a wrong command line, a refusal and an outage apart', async (t) => {
  t.equal(exitCode(new UsageError('')), 2)
  t.equal(exitCode(new ChatError('usage', 'x', '')), 2)
  t.equal(exitCode(new ChatError('unreachable', 'x', '')), 3)
  t.equal(exitCode(new ChatError('store', 'store-busy', '')), 3)
  const refused = (status: number, code: string) =>
    exitCode(new RefusedError(status, { type: `/problems/${code}` }, null))
  t.equal(refused(403, 'forbidden'), 1)
  for (const [status, code] of [
    [503, 'overloaded'],
    [429, 'too-many-requests'],
    [408, 'request-timeout'],
    [409, 'stale-chain'],
    [409, 'key-not-due']
  ] as const)
    t.equal(refused(status, code), 3, code)
  for (const kind of ['untrusted', 'identity-changed', 'logged-out', 'store'] as const)
    t.equal(exitCode(new ChatError(kind, 'x', '')), 1, kind)
  t.equal(exitCode(new Error('a bug')), 1)
})

t.test('Columns are as wide as their widest cell', async (t) => {
  t.strictSame(
    formatTable([
      ['a', 'bb', ''],
      ['ccc', 'd', 'e']
    ]),
    ['a    bb', 'ccc  d   e']
  )
  const titles = ['ops', '日本語グループ', '👩\u200d👩\u200d👧 family', '\u2068שלום\u2069', 'Zoe\u0308']
  const rows = formatTable(titles.map((title) => [title, '|']))
  for (const row of rows) t.equal(cells(row.slice(0, -1)), 16, 'in cells of a terminal')
  const long = 'x'.repeat(200)
  t.strictSame(
    formatTable([
      [long, 'a'],
      ['ops', 'b']
    ]),
    [`${long}  a`, 'ops  b'],
    'but a long title does not push the others away'
  )
  t.strictSame(formatTable([]), [])
})
