import t from 'tap'
import { exitCode, UsageError } from '../../../src/cli/errors.js'
import { formatTime, formatTable } from '../../../src/cli/terminal/format.js'
import { eventJson, messageJson, messageLine } from '../../../src/cli/output/messages.js'
import { ChatError, type IncomingMessage, type ReceivedContent } from '../../../src/client/index.js'

function message(content: ReceivedContent): IncomingMessage {
  return {
    type: 'message',
    id: 'm',
    conversationId: 'c',
    sessionKeyId: 'k',
    n: 3,
    from: { username: 'bob', deviceId: 'd' },
    own: false,
    content,
    position: 7,
    sentAt: '2026-05-04T21:07:09.000Z',
    receivedAt: '2026-05-04T21:07:10.000Z'
  }
}

const time = formatTime('2026-05-04T21:07:09.000Z')

t.test('Every message is a line that begins with its time and sender', async (t) => {
  const line = (content: ReceivedContent, title?: string) => messageLine(message(content), title)
  t.equal(line({ type: 'text', text: 'hello' }), `${time} bob: hello`)
  t.equal(line({ type: 'text', text: 'a\nb', ref: 'm' }, 'ops'), `${time} bob [ops]: (reply) a\n  b`)
  t.equal(line({ type: 'text', text: 'x' }, 'evil\n] eve: y'), `${time} bob [evil\ufffd] eve: y]: x`)
  t.equal(line({ type: 'edit', ref: 'm', text: 'better' }), `${time} bob: (edit) better`)
  t.equal(line({ type: 'reaction', ref: 'm', text: '👍' }), `${time} bob: (reacts) 👍`)
  t.equal(line({ type: 'reaction', ref: 'm', text: '' }), `${time} bob: (removes a reaction)`)
  t.equal(line({ type: 'title', text: 'ops' }), `${time} bob: (names the group) ops`)
  t.match(line({ type: 'unknown', of: 'poll' }), 'that this version cannot show: poll')
  const file = {
    attachment: 'a',
    name: 'x\u001b.png',
    mediaType: 'image/png',
    size: 9,
    sha256: 's',
    key: 'k',
    commitment: 'c'
  }
  t.equal(line({ type: 'file', ...file, text: 'look' }), `${time} bob: (file) x\ufffd.png, 9 bytes look`)
})

t.test('A message for scripts begins with the same seven members', async (t) => {
  t.strictSame(messageJson(message({ type: 'text', text: 'hello', ref: 'r' })), {
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
    sessionKeyId: 'k',
    n: 3,
    ref: 'r'
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

t.test('An event that is not a message is an object with its type', async (t) => {
  const error = new ChatError('untrusted', 'bad-signature', 'It is not signed.', {
    cause: new Error('inner')
  })
  const shown = { kind: 'untrusted', code: 'bad-signature', message: 'It is not signed.' }
  const { id, conversationId, sessionKeyId, from, position, receivedAt } = message({ type: 'text', text: '' })
  const rest = { id, conversationId, sessionKeyId, from, position, receivedAt }
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
    eventJson({ type: 'withheld', conversationId: 'c', sessionKeyId: 'k', from, first: 2, last: 4 }),
    {
      type: 'withheld',
      conversationId: 'c',
      from: 'bob',
      deviceId: 'd',
      sessionKeyId: 'k',
      first: 2,
      last: 4
    }
  )
  t.strictSame(eventJson({ type: 'untrusted', error }), { type: 'untrusted', error: shown })
  const changed = { type: 'identity-changed', username: 'bob', wasVerified: true } as const
  t.strictSame(eventJson(changed), changed)
})

t.test('The exit code tells a wrong command line, a refusal and an outage apart', async (t) => {
  t.equal(exitCode(new UsageError('')), 2)
  t.equal(exitCode(new ChatError('usage', 'x', '')), 2)
  t.equal(exitCode(new ChatError('unreachable', 'x', '')), 3)
  t.equal(exitCode(new ChatError('refused', 'x', '', { status: 503 })), 3)
  t.equal(exitCode(new ChatError('refused', 'x', '', { status: 403 })), 1)
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
  t.strictSame(formatTable([]), [])
})
