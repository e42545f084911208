import { fakeHash } from './actors.js'

const HASHES = ['a'.repeat(63), 'A'.repeat(64), `${'a'.repeat(63)}g`, '']
const IDS = [
  '0198C6F3-1C08-7A3E-B5F4-0D9E6B2C8103',
  '0198c6f31c087a3eb5f40d9e6b2c8103',
  '{0198c6f3-1c08-7a3e-b5f4-0d9e6b2c8103}'
]
const NUMBERS = ['0', '01', '+1', '-1', '1.0', '1e3', '1000000000', '']
const NAMES = ['Alice', 'al', '1lice', `a${'b'.repeat(32)}`, 'al ice', '']
const root = fakeHash('a root')

/** Values that a line may not have, by its name. The `member` of a `conversation-remove` is a `removal`. */
const badValues: Record<string, readonly string[]> = {
  user: NAMES,
  sequence: NUMBERS,
  previous: [...HASHES, '--'],
  device: IDS,
  purpose: ['Chat', 'admin', ''],
  'signing-key': [...HASHES, '-'],
  'encryption-key': [...HASHES, '-'],
  'kem-key': [...HASHES, '--'],
  'encryption-version': NUMBERS,
  conversation: IDS,
  kind: ['Group', 'channel', ''],
  'message-ttl': ['-1', '00', '1.5', '1000000000', ''],
  'session-key': IDS,
  commitment: [...HASHES, '-'],
  state: [
    'alice',
    `alice ${root}`,
    `alice 0 ${root}`,
    `alice 01 ${root}`,
    `alice 1000000000 ${root}`,
    'alice 1 -',
    `Alice 1 ${root}`,
    `alice  1 ${root}`,
    `alice 1 ${root} `
  ],
  roster: [...HASHES, '-'],
  member: [
    `alice owner ${root}`,
    `alice Admin ${root}`,
    'alice',
    'alice admin',
    `alice ${root}`,
    `Alice admin ${root}`,
    'alice admin -',
    `alice admin ${root} `,
    `alice  admin ${root}`
  ],
  removal: [...NAMES, `alice member ${root}`],
  key: [...HASHES, '-'],
  reader: [...HASHES, '-'],
  wrap: [...HASHES, '-'],
  by: [...HASHES, '-']
}

/**
 * Texts that are not a statement of their kind, made from a good one. All bad values of a line are tried in the
 * first kind that has the line, one in the others; `tried` remembers them.
 */
export function malformedTexts(
  kind: string,
  text: string,
  tried: Set<string>
): [title: string, text: string][] {
  const lines = text.slice(0, -1).split('\n')
  const join = (changed: readonly string[]) => `${changed.join('\n')}\n`
  return lines.flatMap((line, at) => {
    if (at === 0) return []
    const name = line.split(' ')[0]!
    const next = lines[at + 1]
    const form = name === 'member' && kind === 'conversation-remove' ? 'removal' : name
    const values = tried.has(form) ? badValues[form]!.slice(0, 1) : badValues[form]!
    tried.add(form)
    const isList = name === 'state' || (name === 'member' && kind === 'conversation-create')
    const texts: [title: string, lines: readonly string[]][] = [
      ...values.map((value): [string, string[]] => [
        `${name} is \`${value}\``,
        lines.with(at, `${name} ${value}`)
      ]),
      [`line ${at + 1}, \`${name}\`, comes twice`, lines.toSpliced(at, 0, line)],
      [`line ${at + 1}, \`${name}\`, has no value`, lines.with(at, name)]
    ]
    if (!isList) texts.push([`line ${at + 1}, \`${name}\`, is missing`, lines.toSpliced(at, 1)])
    if (next !== undefined)
      texts.push([`lines ${at + 1} and ${at + 2} change places`, lines.toSpliced(at, 2, next, line)])
    return texts.map(([title, changed]): [string, string] => [`${kind}: ${title}`, join(changed)])
  })
}

/** What may be wrong with any text, on the example of one. */
export function badBytes(text: string): [title: string, text: string][] {
  return [
    ['nothing', ''],
    ['one LF', '\n'],
    ['CR before each LF', text.replaceAll('\n', '\r\n')],
    ['CR in place of each LF', text.replaceAll('\n', '\r')],
    ['no LF at the end', text.slice(0, -1)],
    ['one LF too many', `${text}\n`],
    ['an empty line in the middle', text.replace('\n', '\n\n')],
    ['an LF at the beginning', `\n${text}`],
    ['a byte order mark', `\ufeff${text}`],
    ['a tab for a space', text.replace('user ', 'user\t')],
    ['a NUL', text.replace('\n', '\0\n')],
    ['a line of another kind at the end', `${text}by ${root}\n`],
    ['two spaces', text.replace('user ', 'user  ')],
    ['a space at a line’s beginning', text.replace('user ', ' user ')],
    ['a space at a line’s end', text.replace('alice\n', 'alice \n')],
    ['a letter that is not ASCII', text.replace('alice', 'alicé')],
    ['a letter that looks like another', text.replace('alice', '\u0430lice')],
    ['a name in upper case', text.replace('user', 'USER')],
    ['another version of the protocol', text.replace('secure-chat/v1', 'secure-chat/v2')],
    ['the protocol in upper case', text.replace('secure-chat', 'Secure-Chat')],
    ['a kind that does not exist', text.replace('device-revoke', 'device-remove')],
    ['no kind', text.replace(' device-revoke', '')]
  ]
}
