import { signStatement, statementHash } from '../../../src/crypto/statements.js'
import { statementText } from '../../../src/protocol/statement-texts.js'
import type { Statement } from '../../../src/protocol/statements.js'
import { fakeHash, malleable } from './actors.js'
import { badBytes, malformedTexts } from './malformed-texts.js'
import { device, signingKeysIn, type Device } from './devices.js'

const phone = await device('alice', 1)
const tablet = await device('alice', 2)
const backup = await device('alice', 5, { purpose: 'recovery' })
const bobs = await device('bob', 1)
const mallory = await device('mallory', 1)

const conversation = '0198c6f3-1c08-7a3e-b5f4-0d9e6b2c8103'
const sessionKey = '0198c6f3-5d72-7f90-a1c8-e47b3d5f6204'
const previous = fakeHash('the statement before')
const link = { sequence: 2, previous }
const by = phone.fingerprint
const state = [
  { username: 'alice', sequence: 2, head: fakeHash('the second statement of Alice’s chain') },
  { username: 'bob', sequence: 999_999_999, head: fakeHash('a far statement of Bob’s chain') }
]
const members = [
  { username: 'alice', role: 'admin', root: phone.fingerprint },
  { username: 'bob', role: 'member', root: bobs.fingerprint }
] as const
const onlyMembers = members.map((member) => ({ ...member, role: 'member' as const }))
const key = {
  kind: 'conversation-key',
  conversation,
  ...link,
  sessionKey,
  commitment: fakeHash('commitment')
} as const
const roster = fakeHash('roster')

function binding({ id, purpose, fingerprint, encryptionKey, kemKey }: Device, encryptionVersion = 1) {
  return {
    user: 'alice',
    device: id,
    purpose,
    signingKey: fingerprint,
    encryptionKey,
    kemKey,
    encryptionVersion
  }
}

/** Statements of each kind, with their signers. Malformed ones are made of the first of each kind. */
const good: [title: string, statement: Statement, ...signers: Device[]][] = [
  ['an added device', { kind: 'device-add', ...link, ...binding(tablet) }, tablet, phone],
  [
    'a first device without a KEM key',
    { kind: 'device-add', sequence: 1, previous: '-', ...binding({ ...phone, kemKey: '-' }) },
    phone
  ],
  ['a recovery device', { kind: 'device-add', ...link, ...binding(backup) }, backup, phone],
  ['new keys', { kind: 'device-rekey', ...link, ...binding(tablet, 2) }, tablet],
  ['a reset', { kind: 'device-reset', ...link, ...binding(tablet) }, tablet],
  ['a revocation', { kind: 'device-revoke', user: 'alice', ...link, device: tablet.id }, phone],
  [
    'a revocation by two',
    { kind: 'device-revoke', user: 'a.b-c_9', ...link, device: backup.id },
    phone,
    tablet
  ],
  [
    'a group',
    {
      kind: 'conversation-create',
      conversation,
      sequence: 1,
      previous: '-',
      conversationKind: 'group',
      members: [...members],
      by
    },
    phone
  ],
  [
    'a direct conversation',
    {
      kind: 'conversation-create',
      conversation,
      sequence: 1,
      previous: '-',
      conversationKind: 'direct',
      members: onlyMembers,
      by
    },
    phone
  ],
  [
    'a conversation with oneself',
    {
      kind: 'conversation-create',
      conversation,
      sequence: 1,
      previous: '-',
      conversationKind: 'self',
      members: onlyMembers.slice(0, 1),
      by
    },
    phone
  ],
  ['a new member', { kind: 'conversation-add', conversation, ...link, member: members[1], by }, phone],
  [
    'a new role',
    { kind: 'conversation-role', conversation, ...link, member: { ...members[1], role: 'admin' }, by },
    phone
  ],
  ['a renewal', { kind: 'conversation-renew', conversation, ...link, member: members[1], by }, phone],
  ['a removal', { kind: 'conversation-remove', conversation, ...link, username: 'bob', by }, phone],
  ['a departure', { kind: 'conversation-leave', conversation, ...link, by }, phone],
  ['a timer', { kind: 'conversation-timer', conversation, ...link, messageTtl: 86_400, by }, phone],
  [
    'a timer that is taken away',
    { kind: 'conversation-timer', conversation, ...link, messageTtl: 0, by },
    phone
  ],
  ['a session key with states', { ...key, state, roster, by }, phone],
  ['a session key without a state', { ...key, sequence: 999_999_999, state: [], roster, by }, phone],
  [
    'a wrap that was added',
    {
      kind: 'wrap-added',
      conversation,
      key: fakeHash('key'),
      reader: tablet.fingerprint,
      wrap: fakeHash('wrap'),
      by
    },
    phone
  ]
]

export async function statementVectors() {
  const cases = [...(await accepted()), ...(await badTexts()), ...(await badSignatures())]
  return {
    version: 1,
    about: [
      'signingKeys: public keys by their fingerprint. maySign: whose signatures may stand under this statement.',
      'statement: the fields of text, and what text is written from. refused: the code with which it must be refused.'
    ],
    signingKeys: signingKeysIn(cases),
    cases
  }
}

async function accepted() {
  return Promise.all(
    good.map(async ([title, statement, ...signers]) => {
      const text = statementText(statement)
      const { signatures } = await signStatement(text, ...signers)
      const maySign = signers.map(({ fingerprint }) => fingerprint)
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
  const firsts = good.filter(([, { kind }], at) => good.findIndex(([, other]) => other.kind === kind) === at)
  const tried = new Set<string>()
  const texts = firsts.flatMap(([, statement]) =>
    malformedTexts(statement.kind, statementText(statement), tried).map(
      ([title, text]) => [title, statement.kind, text] as const
    )
  )
  const of = (kind: Statement['kind']) => statementText(firsts.find(([, other]) => other.kind === kind)![1])
  const revoke = of('device-revoke')
  texts.push(...badBytes(revoke).map(([title, text]) => [title, 'device-revoke', text] as const))
  texts.push(
    ['another kind than expected', 'device-reset', revoke],
    ['another kind with the same lines', 'device-rekey', of('device-add')],
    ['a session key where a departure is expected', 'conversation-leave', of('conversation-key')],
    ['no member', 'conversation-create', of('conversation-create').replace(/member.*\n/g, '')]
  )
  return Promise.all(
    texts.map(async ([title, kind, text]) => {
      const { signatures } = await signStatement(text, phone)
      return { title, kind, text, signatures, maySign: [phone.fingerprint], refused: 'invalid-statement' }
    })
  )
}

async function badSignatures() {
  const text = statementText(good[0]![1])
  const both = await signStatement(text, tablet, phone)
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
    ['three have signed', (await signStatement(text, tablet, phone, bobs)).signatures],
    ['S of the signature is larger than the order', signed(malleable(own))],
    ['R of the signature is of small order', signed(smallOrder)],
    ['the signature lacks a byte', signed(Buffer.from(own, 'base64').subarray(0, 63).toString('base64'))],
    ['the signature’s base64 has no padding', signed(own.replace(/=+$/, ''))],
    ['the signature’s base64 has unused bits', signed(own.replace(/.==$/, unusedBits))]
  ]
  const maySign = [tablet.fingerprint, phone.fingerprint]
  return cases.map(([title, signatures]) => {
    return { title, kind: 'device-add', text, signatures, maySign, refused: 'bad-signature' }
  })
}

/** The last character of a signature has two bits of it, and four bits that must be zero. */
const unusedBits = (end: string): string => `${String.fromCharCode(end.charCodeAt(0) + 1)}==`

function swapped(signatures: Record<string, string>): Record<string, string> {
  const [[a, first], [b, second]] = Object.entries(signatures) as [[string, string], [string, string]]
  return { [a]: second, [b]: first }
}
