/** Texts that parsers of different languages read in different ways, and what a client makes of them. */

const sentAt = '2026-01-31T12:00:00.000Z'
/** A JSON text with these members after `n`. */
const text = (members: string, n = '1'): string => `{"type":"text","n":${n},"sentAt":"${sentAt}"${members}}`
const nested = (depth: number, open: string, close: string): string =>
  `,"x":${open.repeat(depth - 1)}${close.repeat(depth - 1)}`

/** Accepted as they are. */
export const acceptedTexts: [title: string, json: string][] = [
  [
    'white space between all parts',
    text('')
      .replaceAll(/[{}:,](?!\d\d)/g, ' $&\t\r\n ')
      .trimEnd()
  ],
  ['one name in two objects', text(',"a":{"b":1,"c":{"b":2}},"b":[{"a":1},{"a":2}]')],
  ['names that differ only in case', text(',"text":"a","Text":"b"')],
  ['names that differ only in their normal form', text(',"\u00e9":1,"e\u0301":2')],
  ['an empty name', text(',"":1')],
  ['a name __proto__', text(',"__proto__":{"own":true},"text":"a"')],
  ['other numbers that are no integers', text(',"a":1.0,"b":1e0,"c":-1,"d":{"n":1.5},"e":[-0.5e-3]')],
  ['brackets, colons and quotes in strings', text(String.raw`,"te\"xt:{[":"]},\\\":{\"n\":1.0"`)],
  ['a surrogate pair, escaped', text(String.raw`,"text":"\ud83d\ude42"`)],
  ['a surrogate pair and an escaped backslash', text(String.raw`,"text":"🙂\\ud83d"`)],
  ['lists up to a depth of 16', text(nested(16, '[', ']'))],
  ['objects up to a depth of 16', text(`,"x":${'{"x":'.repeat(14)}{}${'}'.repeat(14)}`)],
  ['an escaped n', text('').replace('"n"', String.raw`"\u006e"`)]
]

/** Refused with `bad-content`. */
export const refusedTexts: [title: string, json: string][] = [
  ['it repeats a name', text(',"text":"pay 1","text":"pay 100"')],
  ['it repeats n', text(',"n":2')],
  ['it repeats a name in an object of an object', text(',"a":{"b":{"c":1,"d":2,"c":3}}')],
  ['it repeats a name in an object of a list', text(',"a":[{"b":1,"b":1}]')],
  ['it repeats a name after an object', text(',"a":{"b":1},"a":2')],
  ['it repeats a name, once escaped', text(String.raw`,"text":"a","te\u0078t":"b"`)],
  ['it repeats the name __proto__', text(',"__proto__":1,"__proto__":2')],
  ...['1.0', '1e0', '1E0', '10e-1', '-0', '1.5', '"1"', 'null', 'true', '[1]', '{"n":1}'].map(
    (n): [string, string] => [`its n is ${n}`, text('', n)]
  ),
  ['its escaped n is 1.0', text('', '1.0').replace('"n"', String.raw`"\u006e"`)],
  ['its n is 01', text('', '01')],
  ['its n is +1', text('', '+1')],
  ['a number that no 64-bit float holds', text(',"a":1e400')],
  ['half of a surrogate pair', text(String.raw`,"text":"\ud83d"`)],
  ['the other half of a surrogate pair', text(String.raw`,"text":"\ude42"`)],
  ['a surrogate pair in the wrong order', text(String.raw`,"text":"\ude42\ud83d"`)],
  ['a surrogate pair with a letter between', text(String.raw`,"text":"\ud83d-\ude42"`)],
  ['half of a surrogate pair in a list', text(String.raw`,"a":["b","\uD83D"]`)],
  ['half of a surrogate pair in a name', text(String.raw`,"a":{"\ud83d":1}`)],
  ['lists to a depth of 17', text(nested(17, '[', ']'))],
  ['objects to a depth of 17', text(`,"x":${'{"x":'.repeat(15)}{}${'}'.repeat(15)}`)],
  ['a depth of 5,000', text(nested(5_000, '[', ']'))],
  ['a comment', text('/* */')],
  ['a comma at the end', text(',')],
  ['single quotes', text(",'text':'a'")],
  ['a name without quotes', text(',text:"a"')],
  ['a line break in a string', text(',"text":"a\nb"')],
  ['NaN', text(',"a":NaN')],
  ['a number without a digit after its point', text(',"a":1.')]
]
