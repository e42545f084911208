import { signStatement, statementHash } from '../../../src/crypto/statements.js'
import { statementText } from '../../../src/protocol/statement-texts.js'
import type { Statement } from '../../../src/protocol/statements.js'
import { alice, bob, carol, examples, fakeHash, malleable, mallory, publicKeys, tablet } from './actors.js'

const device = (last: number): string => `0198c6f2-7b1e-7c55-9d2a-3f1f0c5a9e0${last}`
const conversation = '0198c6f3-1c08-7a3e-b5f4-0d9e6b2c8103'
const previous = fakeHash('the statement before')
const link = { sequence: 2, previous }
const binding = { user: 'alice', device: device(2), signingKey: tablet.fingerprint }
const keys = { encryptionKey: tablet.encryptionKey, encryptionVersion: 1 }
const by = alice.fingerprint
const members = [
  { username: 'alice', role: 'admin', root: alice.fingerprint },
  { username: 'bob', role: 'member', root: bob.fingerprint }
] as const

/** One statement of each kind, with its signers. */
const good: [statement: Statement, ...signers: (typeof alice)[]][] = [
  [{ kind: 'device-add', ...binding, ...link, ...keys }, tablet, alice],
  [{ kind: 'device-rekey', ...binding, ...link, ...keys, encryptionVersion: 2 }, tablet],
  [{ kind: 'device-reset', ...binding, ...link, ...keys }, tablet],
  [{ kind: 'device-revoke', user: 'alice', ...link, device: device(2) }, alice],
  [
    {
      kind: 'conversation-create',
      conversation,
      sequence: 1,
      previous: '-',
      conversationKind: 'group',
      members: [...members],
      by
    },
    alice
  ],
  [{ kind: 'conversation-add', conversation, ...link, member: members[1], by }, alice],
  [{ kind: 'conversation-role', conversation, ...link, member: { ...members[1], role: 'admin' }, by }, alice],
  [{ kind: 'conversation-remove', conversation, ...link, username: 'bob', by }, alice],
  [{ kind: 'conversation-leave', conversation, ...link, by }, alice],
  [
    {
      kind: 'session-key',
      conversation,
      sessionKey: examples.sessionKey.id,
      head: examples.conversationCreate.hash,
      commitment: examples.sessionKey.commitment,
      roster: examples.sessionKey.rosterHash,
      by
    },
    alice
  ]
]

export async function statementVectors() {
  return {
    about: [
      'keys: public signing keys by fingerprint. maySign: whose signatures may stand under this statement.',
      'statement: the fields of text, and what text is written from. refused: the code with which it must be refused.'
    ],
    keys: publicKeys,
    cases: [...(await accepted()), ...(await badTexts()), ...(await badSignatures())]
  }
}

async function accepted() {
  return Promise.all(
    good.map(async ([statement, ...signers]) => {
      const text = statementText(statement)
      const { signatures } = await signStatement(text, ...signers)
      const maySign = signers.map(({ fingerprint }) => fingerprint)
      const title = `a ${statement.kind}`
      return {
        title,
        kind: statement.kind,
        text,
        signatures,
        maySign,
        statement,
        hash: await statementHash(text)
      }
    })
  )
}

/** Each text is signed, so that only the text is wrong. */
async function badTexts() {
  const revoke = statementText(good[3]![0])
  const create = statementText(good[4]![0])
  const [, , , , , first, second] = create.split('\n')
  const texts: [title: string, kind: string, text: string][] = [
    ['a CR before the LF', 'device-revoke', revoke.replaceAll('\n', '\r\n')],
    ['no LF at the end', 'device-revoke', revoke.slice(0, -1)],
    ['one LF too many', 'device-revoke', `${revoke}\n`],
    ['a line too many', 'device-revoke', `${revoke}device ${device(3)}\n`],
    ['a line too few', 'device-revoke', revoke.replace(/previous.*\n/, '')],
    ['two lines in another order', 'device-revoke', revoke.replace(/(user.*\n)(sequence.*\n)/, '$2$1')],
    ['two spaces', 'device-revoke', revoke.replace('user alice', 'user  alice')],
    ['a space at a line’s end', 'device-revoke', revoke.replace('user alice', 'user alice ')],
    ['a number with a leading zero', 'device-revoke', revoke.replace('sequence 2', 'sequence 02')],
    ['a number with a sign', 'device-revoke', revoke.replace('sequence 2', 'sequence +2')],
    ['a number too large', 'device-revoke', revoke.replace('sequence 2', 'sequence 1000000000')],
    ['the sequence 0', 'device-revoke', revoke.replace('sequence 2', 'sequence 0')],
    ['an id in upper case', 'device-revoke', revoke.replace(device(2), device(2).toUpperCase())],
    ['a hash in upper case', 'device-revoke', revoke.replace(previous, previous.toUpperCase())],
    ['a name in upper case', 'device-revoke', revoke.replace('alice', 'Alice')],
    ['a letter that is not ASCII', 'device-revoke', revoke.replace('alice', 'alicé')],
    ['another version of the protocol', 'device-revoke', revoke.replace('secure-chat/v1', 'secure-chat/v2')],
    ['another kind than expected', 'device-reset', revoke],
    ['members that are not sorted', 'conversation-create', swap(create, first!, second!)],
    ['a member twice', 'conversation-create', create.replace(second!, first!)],
    ['a role that does not exist', 'conversation-create', create.replace(' admin ', ' owner ')],
    ['no member', 'conversation-create', create.replace(/member.*\n/g, '')]
  ]
  return Promise.all(
    texts.map(async ([title, kind, text]) => {
      const { signatures } = await signStatement(text, alice)
      return { title, kind, text, signatures, maySign: [alice.fingerprint], refused: 'invalid-statement' }
    })
  )
}

async function badSignatures() {
  const text = statementText(good[0]![0])
  const both = await signStatement(text, tablet, alice)
  const one = await signStatement(text, tablet)
  const own = one.signatures[tablet.fingerprint]!
  const other = await signStatement(text.replace('sequence 2', 'sequence 3'), tablet)
  const signed = (signature: string) => ({ [tablet.fingerprint]: signature })
  const smallOrder = `${'AQ'.padEnd(43, 'A')}${own.slice(43)}`
  const cases: [title: string, signatures: Record<string, string>][] = [
    ['nobody has signed', {}],
    ['it was signed before its text was altered', other.signatures],
    ['one of two signatures does not verify', { ...both.signatures, ...other.signatures }],
    ['another may not sign it', (await signStatement(text, tablet, mallory)).signatures],
    ['two have signed in each other’s name', swapped(both.signatures)],
    ['three have signed', (await signStatement(text, tablet, alice, carol)).signatures],
    ['S of the signature is larger than the order', signed(malleable(own))],
    ['R of the signature is of small order', signed(smallOrder)],
    ['the signature lacks a byte', signed(Buffer.from(own, 'base64').subarray(0, 63).toString('base64'))],
    ['the signature’s base64 has no padding', signed(own.replace(/=+$/, ''))],
    ['the signature’s base64 has unused bits', signed(own.replace(/.==$/, unusedBits))]
  ]
  const maySign = [tablet.fingerprint, alice.fingerprint]
  return cases.map(([title, signatures]) => {
    return { title, kind: 'device-add', text, signatures, maySign, refused: 'bad-signature' }
  })
}

/** The last character of a signature has two bits of it, and four bits that must be zero. */
const unusedBits = (end: string): string => `${String.fromCharCode(end.charCodeAt(0) + 1)}==`

const swap = (text: string, a: string, b: string): string => text.replace(`${a}\n${b}`, `${b}\n${a}`)

function swapped(signatures: Record<string, string>): Record<string, string> {
  const [[a, first], [b, second]] = Object.entries(signatures) as [[string, string], [string, string]]
  return { [a]: second, [b]: first }
}
