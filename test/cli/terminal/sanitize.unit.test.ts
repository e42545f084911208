import t from 'tap'
import { sanitize, sanitizedJson, sanitizeLines } from '../../../src/cli/terminal/sanitize.js'

t.test('Control characters of a name are replaced', async (t) => {
  t.equal(sanitize('Zoë 👩‍👩‍👧 שלום'), 'Zoë 👩‍👩‍👧 שלום')
  for (const evil of [
    '\n',
    '\r',
    '\t',
    '\u001b',
    '\u0007',
    '\u009b',
    '\u007f',
    '\u202e',
    '\u2066',
    '\u2028',
    '\ud800'
  ])
    t.equal(sanitize(`a${evil}b`), 'a\ufffdb', evil.codePointAt(0)!.toString(16))
})

t.test('A message keeps its lines and tabs, and further lines are indented', async (t) => {
  t.equal(sanitizeLines('a\tb\r\nc\nd', '  '), 'a\tb\n  c\n  d')
  t.equal(sanitizeLines('over\rwritten\u001b[2J', '  '), 'over\ufffdwritten\ufffd[2J')
})

t.test('Colours in a message are removed', async (t) => {
  t.equal(sanitizeLines('\u001b[1;31mFAIL\u001b[0m \u001b[38:2::1:2:3mx'), 'FAIL x')
})

t.test('JSON is one line without characters that a terminal acts on, and it keeps its value', async (t) => {
  const value = { text: 'a\nb\u001b[31m\u009b31m\u202e\u2028\u007f"\\é\ud83d\ude00', at: [1, null] }
  const line = sanitizedJson(value)
  t.notMatch(line, /[\p{Cc}\u2028\u202e]/u)
  t.strictSame(JSON.parse(line), value)
})
