import fc from 'fast-check'
import t from 'tap'
import { parseStatement } from '../../src/protocol/parse-statement.js'
import type { RuleViolation } from '../../src/protocol/rule-violation.js'
import { rosterText } from '../../src/protocol/roster.js'
import { statementText } from '../../src/protocol/statement-texts.js'
import { MAX_MEMBERS, type Kind, type KeyStatement, type Statement } from '../../src/protocol/statements.js'
import { vectors } from '../support/vectors.js'

const hash = 'ab'.repeat(32)
const uuid = '0198c6f2-7b1e-7c55-9d2a-3f1f0c5a9e01'
const link = { sequence: 1, previous: '-' }
const revoke = statementText({ kind: 'device-revoke', user: 'alice', ...link, device: uuid })
/** The most characters of a statement's text. */
const MAX_TEXT = 160_000

t.test('The error about a malformed statement names the line', (t) => {
  const bad: [title: string, text: string, message: RegExp][] = [
    ['CRLF', revoke.replaceAll('\n', '\r\n'), /printable ASCII/],
    ['no last LF', revoke.slice(0, -1), /last line/],
    ['an empty last line', `${revoke}\n`, /line 6 is one too many/],
    ['a line too many', `${revoke}device ${uuid}\n`, /line 6 is one too many/],
    ['a line missing', revoke.replace('previous -\n', ''), /line 4 must be `previous …`/],
    ['the last line missing', revoke.replace(/device 0.*\n/, ''), /line 5 is missing/],
    ['lines out of order', revoke.replace('sequence 1\nprevious -', 'previous -\nsequence 1'), /line 3/],
    ['a malformed value', revoke.replace('sequence 1', 'sequence 01'), /`sequence` in line 3/],
    ['another protocol', revoke.replace('secure-chat/v1', 'secure-chat/v2'), /first line must be/]
  ]
  for (const [title, text, message] of bad)
    t.throws(() => parseStatement(text, ['device-revoke']), { code: 'invalid-statement', message }, title)
  t.end()
})

t.test('A creation has up to 1,024 members, and a key as many states, sorted and each once', (t) => {
  const names = Array.from({ length: MAX_MEMBERS + 1 }, (_, at) => `${'user'.padEnd(27, '-')}${10_000 + at}`)
  const create = (usernames: readonly string[]): Statement<'conversation-create'> => ({
    kind: 'conversation-create',
    conversation: uuid,
    ...link,
    conversationKind: 'group',
    members: usernames.map((username) => ({ username, role: 'member', root: hash })),
    by: hash
  })
  const key = (usernames: readonly string[]): KeyStatement => ({
    kind: 'conversation-key',
    conversation: uuid,
    ...link,
    sessionKey: uuid,
    commitment: hash,
    state: usernames.map((username) => ({ username, sequence: 999_999_999, head: hash })),
    roster: hash,
    by: hash
  })
  for (const statement of [create, key]) {
    const most = statement(names.slice(0, MAX_MEMBERS))
    const text = statementText(most)
    t.ok(text.length < MAX_TEXT)
    t.strictSame(parseStatement(text, [most.kind]), most)
    for (const usernames of [names, ['bob', 'alice'], ['bob', 'bob']])
      t.throws(() => statementText(statement(usernames)), { code: 'invalid-statement' })
  }
  t.throws(() => statementText(create([])), { code: 'invalid-statement' })
  t.strictSame(parseStatement(statementText(key([])), ['conversation-key']).state, [])
  t.end()
})

t.test('A statement has one text: no other text is read as the same', (t) => {
  const { cases } = vectors<{ cases: { kind: Kind; text: string; refused?: string }[] }>('statements')
  const good = cases.filter(({ refused }) => refused === undefined)
  const kinds = [...new Set(good.map(({ kind }) => kind))]
  const pieces = fc.oneof(
    fc.constantFrom('', ' ', '\n', '-', '0', '1', 'a', 'A', '\r', '\t', '\0', '\u2028', 'é'),
    fc.constantFrom(...good.flatMap(({ text }) => text.split('\n').map((line) => `${line}\n`)))
  )
  const edit = fc.tuple(fc.nat(), fc.nat({ max: 3 }), pieces)
  let read = 0
  const property = fc.property(
    fc.constantFrom(...good),
    fc.array(edit, { maxLength: 2 }),
    ({ text }, edits) => {
      for (const [place, cut, piece] of edits) {
        const at = place % (text.length + 1)
        text = text.slice(0, at) + piece + text.slice(at + cut)
      }
      let statement: Statement
      try {
        statement = parseStatement(text, kinds)
      } catch (error) {
        return (error as RuleViolation).code === 'invalid-statement'
      }
      read++
      return statementText(statement) === text
    }
  )
  t.doesNotThrow(() => fc.assert(property, { numRuns: 2000 }))
  t.ok(read > 100, 'some edits leave a good text')
  t.end()
})

t.test('A statement of an unexpected kind is refused', (t) => {
  t.throws(() => parseStatement(revoke, ['device-add', 'device-reset']), { code: 'invalid-statement' })
  t.end()
})

t.test('The lines of a roster are sorted by bytes', (t) => {
  const [low, high] = ['0'.repeat(64), 'f'.repeat(64)]
  const device = (username: string, signingKey: string, kemKey = '-') => ({
    username,
    id: uuid,
    signingKey,
    encryptionKey: low,
    kemKey
  })
  const devices = [device('ben.x', low), device('ben', high), device('ben', low, high)]
  t.equal(
    rosterText(devices),
    `ben ${uuid} ${low} ${low} ${high}\nben ${uuid} ${high} ${low} -\nben.x ${uuid} ${low} ${low} -\n`
  )
  t.equal(rosterText([]), '')
  t.end()
})
