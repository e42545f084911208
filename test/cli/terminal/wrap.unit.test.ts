import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import { LONGEST_BLOCK } from '../../support/client-costs.js'
import { longestBlock } from '../../support/longest-block.js'
import { laidOut } from '../../../src/cli/terminal/output.js'
import { sanitizeLines } from '../../../src/cli/terminal/sanitize.js'
import { truncate, wrap } from '../../../src/cli/terminal/wrap.js'
import { Terminal, type Cells } from '../../support/terminal.js'

/** What a terminal shows of a line that is printed. */
function shown(line: string, columns: number, cells?: Cells): string[] {
  const terminal = new Terminal(columns, cells)
  terminal.write(laidOut(line, terminal, { env: {} }))
  return terminal.lines.slice(0, -1)
}

t.test('A line that is too long continues at a word, indented', async (t) => {
  t.strictSame(wrap('21:07 bob: one two three', 15), ['21:07 bob: one', '  two three'])
  t.strictSame(wrap('fits exactly', 12), ['fits exactly'])
  t.strictSame(wrap('a\n  b', 80), ['a', '  b'])
})

t.test('Blanks cannot push text to the beginning of a row', async (t) => {
  const padded = `21:07 eve: ok${' '.repeat(67)}21:08 bob: yes`
  t.strictSame(wrap(padded, 80), [`21:07 eve: ok`, '  21:08 bob: yes'])
  t.strictSame(wrap('eve: a\tb\t\t\tc', 16), ['eve: a  b', '  c'])
})

t.test('A word that is longer than a row is cut between characters, by cells', async (t) => {
  t.strictSame(wrap('bob: 日本語日本語', 9), ['bob: 日本', '  語日本', '  語'])
  t.strictSame(wrap(`${'e\u0301'.repeat(10)}`, 6), ['e\u0301'.repeat(6), `  ${'e\u0301'.repeat(4)}`])
  t.strictSame(
    wrap('x 👩\u200d👩\u200d👧 y', 8),
    ['x 👩\u200d👩\u200d👧', '  y'],
    'with room for each part of an emoji'
  )
  const endless = wrap(`a ${'👩\u200d'.repeat(20)}`, 12)
  t.equal(endless.length, 4, 'and none is so long that it is not cut')
})

t.test('The longest message is laid out soon, whatever is in it', async (t) => {
  const pieces = ['a', 'ab ', '\n', 'a\n', '\u0001', '\u05d0', '\ufffd', 'a\u200b\u00ad', '\u202e\u2066']
  const joined = ['e\u0301', 'e\u0301\u200d', '👩\u200d', '🇩🇪', '\u1100\u1161\u11a8', '日本']
  for (const piece of [...pieces, ...joined]) {
    const text = piece.repeat(63_000 / Buffer.byteLength(piece))
    let least = Infinity
    for (let tries = 0; tries < 8 && least >= LONGEST_BLOCK; tries++) {
      const { longest } = await longestBlock(async () => {
        wrap(sanitizeLines(`bob: ${text}`), 80)
      })
      least = Math.min(least, longest)
    }
    t.ok(least < LONGEST_BLOCK, `${JSON.stringify(piece)}: ${Math.round(least)} ms`)
  }
})

t.test('The indentation of a line stays, but leaves room for text', async (t) => {
  t.strictSame(wrap(`a\n  ${' '.repeat(4)}if x:`, 20), ['a', '      if x:'])
  t.strictSame(wrap(`a\n  ${' '.repeat(30)}if x:`, 20), ['a', `${' '.repeat(10)}if x:`])
})

t.test('Styles take no cells and are not cut', async (t) => {
  const dim = '\u001b[2m21:07\u001b[22m bob: hello'
  t.strictSame(wrap(dim, 16), [dim])
  t.strictSame(wrap('\u001b[33m! aaaa\u001b[39m', 4), ['\u001b[33m! aa', '  aa\u001b[39m'])
})

t.test('Each row of right-to-left text reads in its direction', async (t) => {
  t.strictSame(wrap(`bob: ${sanitizeLines('שלום עולם')}`, 10), [
    'bob: \u2068שלום\u2069',
    '  \u2068עולם\u2069'
  ])
})

t.test('A text for one row is cut by cells', async (t) => {
  t.equal(truncate('ops', 3), 'ops')
  t.equal(truncate('operations', 6), 'opera…')
  t.equal(truncate('日本語', 5), '日本…')
  t.equal(truncate('\u2068שלום עולם\u2069', 5), '\u2068שלום…\u2069')
})

const fake = '2026-05-04 21:08 bob: yes'
const part = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom(
    fake,
    ' '.repeat(30),
    '\t',
    '\n',
    '日本',
    '👩\u200d👩\u200d👧',
    'я',
    'שלום',
    '\u202e',
    'a\u0301',
    'ᄀ',
    '🇩🇪'
  )
)
const text = fc.array(part, { maxLength: 30 }).map((parts) => parts.join(''))
/** In two columns a wide character has no other place than column 0. */
const width = fc.integer({ min: 3, max: 60 })

t.test('Only the first row of a message begins at column 0, on every terminal', async () => {
  const cells = fc.record({ joinsEmoji: fc.boolean(), ambiguousAreWide: fc.boolean() })
  fc.assert(
    fc.property(text, width, cells, (text, columns, cells) => {
      const [first, ...others] = shown(`21:07 eve: ${sanitizeLines(text)}`, columns, cells)
      return first!.startsWith('21:07'.slice(0, columns - 1)) && others.every((row) => /^($| )/.test(row))
    })
  )
})

t.test('Nothing of a message is lost at the end of a row', async () => {
  const visible = (text: string) => text.replace(/[\s\u2066-\u2069\p{Zs}]/gu, '')
  fc.assert(
    fc.property(text, fc.integer({ min: 4, max: 60 }), fc.boolean(), (text, columns, joinsEmoji) => {
      const line = `21:07 eve: ${sanitizeLines(text)}`
      return visible(shown(line, columns, { joinsEmoji }).join('')) === visible(line)
    })
  )
})

t.test('A line is as wide as the terminal is when it is printed', async (t) => {
  const terminal = new Terminal(12)
  const print = () => terminal.write(laidOut('bob: one two three', terminal, { env: {} }))
  print()
  terminal.resize(40)
  print()
  t.strictSame(terminal.lines, ['bob: one two', '  three', 'bob: one two three', ''])
})

t.test('Only a terminal has rows, and a dumb one no modes', async (t) => {
  const [line, dumb] = ['bob: one two three\n  four', { env: { TERM: 'dumb' } }]
  t.equal(laidOut(line, new PassThrough(), { env: {} }), `${line}\n`)
  t.equal(laidOut(line, new Terminal(12), dumb), 'bob: one two\n  three\n  four\n')
})
