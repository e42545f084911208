import t from 'tap'
import type { RuleViolation } from '../../src/protocol/rule-violation.js'
import { parseStatement, rosterText } from '../../src/protocol/statements.js'

const hash = 'ab'.repeat(32)
const uuid = '0198c6f2-7b1e-7c55-9d2a-3f1f0c5a9e01'
const deviceAdd =
  `secure-chat/v1 device-add\nuser alice\nsequence 1\nprevious -\ndevice ${uuid}\n` +
  `signing-key ${hash}\nencryption-key ${hash}\nencryption-version 1\n`
const create =
  `secure-chat/v1 conversation-create\nconversation ${uuid}\nsequence 1\nprevious -\nkind group\n` +
  `member alice admin ${hash}\nmember bob member ${hash}\nby ${hash}\n`

t.test('A statement is parsed line by line', (t) => {
  t.strictSame(parseStatement(deviceAdd, ['device-add']), {
    kind: 'device-add',
    user: 'alice',
    sequence: 1,
    previous: '-',
    device: uuid,
    signingKey: hash,
    encryptionKey: hash,
    encryptionVersion: 1
  })
  t.strictSame(parseStatement(create, ['conversation-create']).members, [
    { username: 'alice', role: 'admin', root: hash },
    { username: 'bob', role: 'member', root: hash }
  ])
  t.end()
})

t.test('A malformed statement is refused, and the error names the line', (t) => {
  const bad: [what: string, text: string, complaint: RegExp][] = [
    ['CRLF', deviceAdd.replaceAll('\n', '\r\n'), /printable ASCII/],
    ['a tab', deviceAdd.replace('user ', 'user\t'), /printable ASCII/],
    ['a letter beyond ASCII', deviceAdd.replace('alice', 'аlice'), /printable ASCII/],
    ['no last LF', deviceAdd.slice(0, -1), /last line/],
    ['an empty last line', `${deviceAdd}\n`, /line 9 is one too many/],
    ['a line too many', `${deviceAdd}device ${uuid}\n`, /line 9 is one too many/],
    ['a line missing', deviceAdd.replace('previous -\n', ''), /line 4 must be `previous …`/],
    ['the last line missing', deviceAdd.replace('encryption-version 1\n', ''), /line 8 is missing/],
    ['lines out of order', deviceAdd.replace('sequence 1\nprevious -', 'previous -\nsequence 1'), /line 3/],
    ['a hash in upper case', deviceAdd.replace(hash, hash.toUpperCase()), /`signing-key` in line 6/],
    ['an id in upper case', deviceAdd.replace(uuid, uuid.toUpperCase()), /`device` in line 5/],
    ['a leading zero', deviceAdd.replace('sequence 1', 'sequence 01'), /`sequence` in line 3/],
    ['a sequence of 0', deviceAdd.replace('sequence 1', 'sequence 0'), /`sequence` in line 3/],
    ['two spaces', deviceAdd.replace('user alice', 'user  alice'), /`user` in line 2/],
    ['a space at the end', deviceAdd.replace('alice', 'alice '), /`user` in line 2/],
    ['another protocol', deviceAdd.replace('secure-chat/v1', 'secure-chat/v2'), /first line/],
    ['nothing', '', /last line/]
  ]
  for (const [what, text, complaint] of bad) {
    try {
      parseStatement(text, ['device-add'])
      t.fail(what)
    } catch (error) {
      t.equal((error as RuleViolation).code, 'invalid-statement', what)
      t.match((error as RuleViolation).message, complaint, what)
    }
  }
  t.end()
})

t.test('Members are sorted and unique, and at most 1,024', (t) => {
  const line = (name: string) => `member ${name} member ${hash}\n`
  const withMembers = (lines: string) => create.replace(/member alice[^]*(?=by )/, lines)
  const names = Array.from({ length: 1025 }, (_, index) => `user${String(index).padStart(5, '0')}`)
  t.equal(
    parseStatement(withMembers(names.slice(0, 1024).map(line).join('')), ['conversation-create']).members
      .length,
    1024
  )
  for (const lines of [line('bob') + line('alice'), line('bob') + line('bob'), names.map(line).join(''), ''])
    t.throws(() => parseStatement(withMembers(lines), ['conversation-create']), { code: 'invalid-statement' })
  t.end()
})

t.test('A statement of an unexpected kind is refused', (t) => {
  t.throws(() => parseStatement(create, ['device-add', 'device-reset']), { code: 'invalid-statement' })
  t.end()
})

t.test('The lines of a roster are sorted by bytes', (t) => {
  const a = '0'.repeat(64)
  const b = 'f'.repeat(64)
  t.equal(
    rosterText([
      { signingKey: b, encryptionKey: a },
      { signingKey: a, encryptionKey: b }
    ]),
    `${a} ${b}\n${b} ${a}\n`
  )
  t.end()
})
