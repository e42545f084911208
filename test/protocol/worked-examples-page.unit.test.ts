import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { MAX_CHAIN_USERS } from '../../src/protocol/accounts.js'
import { MAX_CHANGES, MAX_LINKS } from '../../src/protocol/conversation-chain.js'
import { MAX_CONVERSATION_DEVICES } from '../../src/protocol/conversations.js'
import { MAX_BATCH_MESSAGES, MAX_CIPHERTEXT_BYTES } from '../../src/protocol/messages.js'
import { MAX_MEMBERS } from '../../src/protocol/statements.js'
import { LAST_SEQUENCE, MAX_DEVICES } from '../../src/protocol/user-chain.js'
import { vectors } from '../support/vectors.js'

const examples = vectors<{ padme: [length: number, padded: number][] }>('examples')
const group = vectors<{ about: string[] }>('group')
const page = readFileSync(join(import.meta.dirname, '../../../docs/protocol.md'), 'utf8')
const section = page.slice(page.indexOf('\n## Worked examples'))

/** The PKCS #8 of an Ed25519 key before its seed (RFC 8410). */
const ED25519_PKCS8 = '302e020100300506032b657004220420'

/** Values that stand in the vectors only. */
const LEFT_OUT = ['signingKey', 'encryptionKey', 'encryptionPrivateKey', 'kemKey']
const MAX_SHOWN = 1000

/** All strings and numbers in a value, as strings. */
function leaves(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [String(value)]
  return Object.entries(value).flatMap(([name, part]) => (LEFT_OUT.includes(name) ? [] : leaves(part)))
}

// The page breaks long values into lines.
const squeeze = (text: string) => text.replaceAll(/\s/g, '')

t.test('docs/protocol.md shows every value of the examples, and no other hash or key', async (t) => {
  const shown = squeeze(section)
  const { padme, ...first } = examples
  const { about, ...second } = group
  t.ok(about.length > 0)
  const values = leaves([first, second])
  for (const value of values.filter(({ length }) => length <= MAX_SHOWN))
    t.ok(shown.includes(squeeze(value)), value)
  for (const [length, padded] of padme) t.ok(page.includes(`\n| ${length} | ${padded} |\n`), `${length}`)
  const known = values.map(squeeze).join(' ')
  for (const [hex] of section.matchAll(/\b[0-9a-f]{32,}\b/g))
    t.ok(known.includes(hex) || hex === ED25519_PKCS8, hex)
})

/** The rows of the table with these headings. */
function table(...headings: string[]): string[][] {
  const start = page.indexOf(`\n| ${headings.join(' | ')} |\n`)
  if (start < 0) throw new Error(`The page has no table ${headings.join(', ')}.`)
  const rows = page
    .slice(start, page.indexOf('\n\n', start + 1))
    .trim()
    .split('\n')
    .slice(2)
  return rows.map((row) => row.slice(2, -2).split(' | '))
}

const codes = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!)

t.test('The page lists the lines of each kind of statement in their order', async (t) => {
  const names = new Map<string, string[]>()
  for (const [, kind, body] of section.matchAll(
    /^secure-chat\/v1 (\S+)\n((?:.+\n)+)\n[0-9a-f]{64}\n\S{88}$/gm
  )) {
    const lines = [
      ...new Set(
        body!
          .trimEnd()
          .split('\n')
          .map((line) => line.split(' ')[0]!)
      )
    ]
    // A key without `state` lines says less than one with them.
    if (lines.length > (names.get(kind!)?.length ?? 0)) names.set(kind!, lines)
  }
  const rows = table('kind', 'lines').flatMap(([kinds, lines]) =>
    codes(kinds!).map((kind) => [kind, codes(lines!)] as const)
  )
  t.strictSame(new Map(rows), new Map(rows.map(([kind]) => [kind, names.get(kind)])))
  t.equal(rows.length, names.size, 'an example of each kind')
})

t.test('The page names the bounds that the code has', async (t) => {
  const number = (cell: string) => Number(/[\d,]+/.exec(cell)![0].replaceAll(',', ''))
  const sequences = table('statement', 'server, in a day', 'largest `sequence`')
  t.strictSame(
    Object.fromEntries(sequences.map(([kind, , largest]) => [codes(kind!)[0], number(largest!)])),
    LAST_SEQUENCE
  )
  const bounds = new Map(table('what', 'at most').map(([what, most]) => [what, number(most!)]))
  const expected = {
    'statements in a user’s chain': LAST_SEQUENCE['device-revoke'],
    'active devices of a user': MAX_DEVICES,
    'links in a conversation’s chain': MAX_LINKS,
    'members of a conversation': MAX_MEMBERS,
    'changes in a request': MAX_CHANGES,
    'devices of all members': MAX_CONVERSATION_DEVICES,
    'users in one request for chains': MAX_CHAIN_USERS,
    'ciphertext of a message, with its tag': MAX_CIPHERTEXT_BYTES,
    'messages in a batch': MAX_BATCH_MESSAGES
  }
  for (const [what, most] of Object.entries(expected)) t.equal(bounds.get(what.replace('’', "'")), most, what)
})
