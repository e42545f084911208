import { isolate, withoutMarks } from './bidi.js'
import { INDENT } from './wrap.js'

/** They move the cursor, set titles or paste commands. A message may have tabs. */
const CONTROLS = /(?!\t)[\p{Cc}\p{Cs}\u2028\u2029\ufff9-\ufffb]/gu

/** Colours (ECMA-48, SGR): people send the output of programs, and it contains them. */
// eslint-disable-next-line no-control-regex -- the pattern is for control characters
const COLOURS = /\u001b\[[\d;:]*m/g

/** No language needs more than four marks on a letter (UTS #39, 5.4). More are drawn over other lines. */
const MORE_MARKS = /\p{M}(?<=(?:\p{M}\p{Cf}*){4}\p{M})/gu

/** More than 40 blanks can push the text after them to the place of something else. */
const MORE_BLANKS = /(?<=[\p{Zs}\t\u2800\u3164\uffa0]{40})[\p{Zs}\t\u2800\u3164\uffa0]+/gu

/** The text of a message or an error, whose further lines are indented: none looks like another message. */
export function sanitizeLines(text: string): string {
  return text
    .replace(COLOURS, '')
    .replaceAll('\r\n', '\n')
    .split('\n')
    .map((line) => isolate(line.replace(CONTROLS, '\ufffd').replace(MORE_MARKS, '').replace(MORE_BLANKS, '')))
    .join(`\n${INDENT}`)
}

/** Arabic letters that join the next one: a non-joiner after them can be seen. */
const JOINING =
  '\u0626\u0628\u062a-\u062e\u0633-\u063a\u0641-\u0647\u0649\u064a\u067e\u0686\u06a9\u06af\u06be\u06c1\u06cc'
const VIRAMAS = '\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca'

/**
 * First what a name may have: emoji, joiners where they can be seen (RFC 5892, A.1 and A.2), single spaces.
 * Then what is escaped. TypeScript does not take the flag `v` in a literal yet.
 */
const NAME_PARTS = new RegExp(
  [
    String.raw`(\p{RGI_Emoji}`,
    String.raw`\u200c(?<=[${JOINING}]\p{Mn}*\u200c)(?=\p{Mn}*[\p{Script=Arabic}&&\p{L}])`,
    String.raw`(?<=[${VIRAMAS}])[\u200c\u200d]`,
    String.raw`(?<=\S)[ \u3000](?!$))`,
    String.raw`(?<=^|\p{Z})\p{M}`,
    String.raw`(?<=\p{M}{4})\p{M}`,
    String.raw`[\p{Cc}\p{Cf}\p{Cs}\p{Z}\p{Default_Ignorable_Code_Point}\u2800"\\]`
  ].join('|'),
  'gv'
)

/**
 * A name, title or file name on one line. Characters that cannot be seen are escaped, as in `\u{200b}`, so that
 * names that differ look different. Quotes are escaped, so that a name in quotes ends where they end.
 */
export function sanitize(name: string): string {
  const escape = (part: string, kept: string | undefined) => kept ?? escaped(part)
  return isolate(withoutMarks(name).replace(NAME_PARTS, escape))
}

function escaped(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`
  return `\\u{${character.codePointAt(0)!.toString(16)}}`
}

/** What a terminal acts on. */
const UNSAFE = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]/gu

/** JSON on one line. JSON.stringify does not escape C1 and bidirectional controls. */
export function sanitizedJson(value: unknown): string {
  const escape = (unsafe: string) => `\\u${unsafe.charCodeAt(0).toString(16).padStart(4, '0')}`
  return JSON.stringify(value).replace(UNSAFE, escape)
}
