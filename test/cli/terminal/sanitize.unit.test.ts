import t from 'tap'
import { sanitize, sanitizedJson, sanitizeLines } from '../../../src/cli/terminal/sanitize.js'

t.test('Characters of a name that cannot be seen are escaped', async (t) => {
  const invisible =
    '\n\r\t\u0007\u001b\u007f\u009b\u00a0\u00ad\u034f\u061c\u115f\u1160\u180e\u2003\u200b\u200c\u200d'
  const more = '\u200f\u2028\u202e\u2060\u2066\u2800\u3164\ud800\ufe0f\ufeff\uffa0\ufff9\u{e0041}\u{e0100}'
  for (const evil of invisible + more) {
    const shown = `\\u{${evil.codePointAt(0)!.toString(16)}}`
    t.equal(sanitize(`a${evil}b`), `a${shown}b`)
    t.equal(sanitize(evil), shown)
  }
})

t.test('Blanks of a name show where they are', async (t) => {
  t.equal(sanitize('night shift'), 'night shift')
  t.equal(sanitize('夜\u3000勤'), '夜\u3000勤')
  t.equal(sanitize(' ops  a '), '\\u{20}ops \\u{20}a\\u{20}')
})

t.test('A name with quotes cannot end its quotes', async (t) => {
  t.equal(sanitize('ops": bob left. "'), 'ops\\": bob left. \\"')
  t.equal(sanitize('\\u{200b}'), '\\\\u{200b}', 'an escape that somebody has typed is not an escape')
})

t.test('A name keeps its letters, its marks and its emoji', async (t) => {
  for (const name of ['Zoë', 'Zoe\u0308', 'नमस्ते', 'क्\u200dष', 'வணக்கம்', '日本語グループ'])
    t.equal(sanitize(name), name)
  for (const emoji of [
    '👩\u200d👩\u200d👧 family',
    '❤\ufe0f',
    '1\ufe0f\u20e3',
    '👍🏽',
    '🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}'
  ])
    t.equal(sanitize(emoji), emoji)
  t.equal(sanitize('a\ufe0f'), 'a\\u{fe0f}', 'but no part of one without the rest')
})

t.test('A mark stands on a letter, and no letter has more than four', async (t) => {
  t.equal(sanitize('\u0301a \u0301b'), '\\u{301}a \\u{301}b')
  t.equal(sanitize(`a${'\u0301'.repeat(6)}`), `a${'\u0301'.repeat(4)}\\u{301}\\u{301}`)
})

t.test('A name that is read from right to left does not turn the line around it', async (t) => {
  t.equal(sanitize('צוות'), '\u2068צוות\u2069')
  t.equal(sanitize('می\u200cخواهم'), '\u2068می\u200cخواهم\u2069', 'where a non-joiner is seen, it stays')
  t.equal(sanitize('دو\u200cست'), '\u2068دو\\u{200c}ست\u2069')
})

t.test('A right-to-left name shows no marks of direction, and any other name shows them', async (t) => {
  for (const name of ['\u200fצוות', 'צוות\u200e', '\u2067צוות\u2069', '\u061cצוות'])
    t.equal(sanitize(name), '\u2068צוות\u2069')
  t.equal(sanitize('\u202eצוות'), '\u2068\\u{202e}צוות\u2069', 'an override is no mark')
  t.equal(sanitize('ops\u200f'), 'ops\\u{200f}')
})

t.test('A message keeps its lines and tabs, and further lines are indented', async (t) => {
  t.equal(sanitizeLines('a\tb\r\nc\n    d'), 'a\tb\n  c\n      d')
  t.equal(
    sanitizeLines('over\rwritten\u001b[2J\u009b31m\u2028\ud800'),
    'over\ufffdwritten\ufffd[2J\ufffd31m\ufffd\ufffd'
  )
})

t.test('Colours in a message are removed', async (t) => {
  t.equal(sanitizeLines('\u001b[1;31mFAIL\u001b[0m \u001b[38:2::1:2:3mx'), 'FAIL x')
})

t.test('A message keeps its emoji, joiners and variants', async (t) => {
  const text = '👩\u200d👩\u200d👧 ❤\ufe0f 葛\u{e0100} soft\u00adhyphen क्\u200dष'
  t.equal(sanitizeLines(text), text)
})

t.test('Right-to-left lines of a message stay as they are, each in an isolate', async (t) => {
  t.equal(
    sanitizeLines('שלום\u200f (bob)\nok\nمی\u200cخواهم'),
    '\u2068שלום\u200f (bob)\u2069\n  ok\n  \u2068می\u200cخواهم\u2069'
  )
})

t.test('A message has at most four marks on a letter, and 40 blanks in a row', async (t) => {
  t.equal(sanitizeLines(`a${'\u0301\u200d'.repeat(99)}b`).match(/\u0301/g)?.length, 4)
  t.equal(sanitizeLines('שּׁ֑').match(/\p{M}/gu)?.length, 3)
  t.equal(sanitizeLines(`a${' \u2003\u3164'.repeat(999)}b`).length, 42)
  t.equal(sanitizeLines(`a${' '.repeat(40)}b`).length, 42)
})

t.test('JSON is one line without characters that a terminal acts on, and it keeps its value', async (t) => {
  const value = { text: 'a\nb\u001b[31m\u009b31m\u202e\u2028\u007f"\\é\ud83d\ude00', at: [1, null] }
  const line = sanitizedJson(value)
  t.notMatch(line, /[\p{Cc}\u2028\u202e]/u)
  t.strictSame(JSON.parse(line), value)
})
