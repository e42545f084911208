import { randomUUID } from 'node:crypto'
import t from 'tap'
import { malformed, startTarget, type Case } from '../../support/bad-input.js'
import {
  chainRequest,
  creation,
  readChain,
  type Change,
  type CurrentUser
} from '../../support/chain-requests.js'
import { change, found, leave, leaving, post } from '../../support/conversations.js'
import { signed, statementText } from '../../support/interop/chains.js'
import { sha256Hex, sign } from '../../support/interop/crypto.js'
import { expect } from '../../support/interop/http.js'

const target = await startTarget(t)
const { refuses } = target
const alice = await target.user('alice')
const bob = await target.user('bob')
const carol = await target.user('carol')
const mallory = await target.user('mallory')
const roots = Object.fromEntries(
  [alice, bob, carol, mallory].map((user) => [user.username, user.keys.signingFp])
)
const group = await found(alice, 'group', [bob])
const direct = await found(alice, 'direct', [bob])
const foreign = await found(mallory, 'group', [carol])

const invalid = '400 invalid-request'
const badStatement = '400 invalid-statement'
const badSignature = '400 invalid-signature'

type Body = Record<string, unknown>
const line = (text: string, name: string, value: string) =>
  text.replace(new RegExp(`^${name} .*$`, 'm'), `${name} ${value}`)
const member = (name: string, role = 'member') => `${name} ${role} ${roots[name] ?? sha256Hex(name)}`
const members = (...lines: string[]) => lines.map((value) => ['member', value] as const)

/** As the profile would show a user who does not exist. */
const nobody = (username: string): [string, CurrentUser] => [
  username,
  { username, root: sha256Hex(username), sequence: 1, head: sha256Hex(`${username}'s head`), devices: [] }
]
const known = new Map([nobody('nobody')])

const fresh = await creation(alice, 'group', ['bob'])
const good = fresh.statements[0]!.text
const create = (changed: Body = {}, by = alice) => post(by, '/v1/conversations', { ...fresh, ...changed })
const createText = (text: string) => create({ statements: [signed(text, alice.keys)] })

/** A whole request that creates a conversation of these `member` lines. */
async function createOf(lines: readonly string[], kind = 'group', by = alice) {
  const id = randomUUID()
  const view = { id, members: new Map(), states: new Map(), sequence: 0, head: '-' }
  const body = await chainRequest(by, view, [['create', ['kind', kind], ...members(...lines)]], { known })
  return post(by, '/v1/conversations', { id, ...body })
}

t.test('A `conversation-create` has exactly its lines', async (t) => {
  const names = Array.from({ length: 1025 }, (_, at) => `user${String(at).padStart(4, '0')}`)
  const text = (lines: readonly string[], kind = 'group') =>
    statementText('conversation-create', [
      ['conversation', fresh.id],
      ['sequence', 1],
      ['previous', '-'],
      ['kind', kind],
      ...members(...lines),
      ['by', alice.keys.signingFp]
    ])
  const textOf = (lines: readonly string[], kind?: string) => createText(text(lines, kind))
  const crowd = [member('alice', 'admin'), ...names.slice(1).map((name) => member(name))]
  await refuses(t, [
    ...malformed(good).map(([wrong, spoilt]): Case => [
      `a statement ${wrong}`,
      badStatement,
      () => createText(spoilt)
    ]),
    ...['0', '01', '2', '999999999', '1234567890', '-1', '1.0', ''].map((number): Case => [
      `sequence ${number}`,
      badStatement,
      () => createText(line(good, 'sequence', number))
    ]),
    ['a statement before the first', badStatement, () => createText(line(good, 'previous', sha256Hex('x')))],
    ['a kind that there is not', badStatement, () => createText(line(good, 'kind', 'channel'))],
    ['a member twice', badStatement, () => textOf([member('alice', 'admin'), member('bob'), member('bob')])],
    [
      'a member twice in two roles',
      badStatement,
      () => textOf([member('alice', 'admin'), member('alice'), member('bob')])
    ],
    ['members out of order', badStatement, () => textOf([member('bob'), member('alice', 'admin')]), /sorted/],
    ['no members', badStatement, () => textOf([])],
    ['1,025 members', badStatement, () => textOf(crowd), /1024/],
    ['a role that there is not', badStatement, () => textOf([member('alice', 'owner')])],
    ['a member without a root', badStatement, () => textOf(['alice admin'])],
    ['a member with more', badStatement, () => textOf([`${member('alice', 'admin')} forever`])],
    ['a member in upper case', badStatement, () => textOf([member('Alice', 'admin')])],
    ['a member with a homoglyph', badStatement, () => textOf([member('\u0430lice', 'admin')])],
    ['another conversation’s id', badStatement, () => create({ id: randomUUID() }), /conversation/],
    [
      'another kind of statement',
      badStatement,
      async () => create({ statements: [await leaving(alice, group)] })
    ],
    [
      'changes without a beginning',
      badStatement,
      async () => {
        const view = { id: fresh.id, members: new Map(), states: new Map(), sequence: 0, head: '-' }
        const wraps = () => fresh.key.wraps
        return create({ ...(await chainRequest(alice, view, [['timer', ['message-ttl', 1]]], { wraps })) })
      }
    ]
  ])
})

t.test('The body that creates a conversation has its members, of their types', async (t) => {
  const { id, statements, key } = fresh
  await refuses(t, [
    ['no id', invalid, () => post(alice, '/v1/conversations', { statements, key }), /'id'/],
    ['no statements', invalid, () => post(alice, '/v1/conversations', { id, key }), /'statements'/],
    ['no key', invalid, () => post(alice, '/v1/conversations', { id, statements }), /'key'/],
    ['a title', invalid, () => create({ title: 'friends' }), /title/],
    ['an id in upper case', invalid, () => create({ id: id.toUpperCase() })],
    ['an id with a NUL', invalid, () => create({ id: `${id}\0` })],
    ['an id that is a list', invalid, () => create({ id: [id] })],
    ['a statement that is a text', invalid, () => create({ statements: [good] })],
    ['a statement without its list', invalid, () => create({ statements: statements[0] })],
    ['a statement with a hash', invalid, () => create({ statements: [{ ...statements[0], hash: 'x' }] })],
    ['an empty list of statements', invalid, () => create({ statements: [] })],
    ['a key that is null', invalid, () => create({ key: null })],
    ['a key without wraps', invalid, () => create({ key: { ...key, wraps: [] } })],
    ['a key with more', invalid, () => create({ key: { ...key, secret: 'x' } })],
    ['a list of bodies', invalid, () => post(alice, '/v1/conversations', [fresh])]
  ])
})

t.test('The creator of a conversation signs it, is a member, and is the admin of a group', async (t) => {
  const { text, signatures } = fresh.statements[0]!
  const [fp] = Object.keys(signatures) as [string]
  const forged = (value: string) => create({ statements: [{ text, signatures: { [fp]: value } }] })
  const byBob = await creation(bob, 'group', ['alice'], { id: fresh.id })
  await refuses(t, [
    ['no signature', invalid, () => create({ statements: [{ text, signatures: {} }] })],
    ['a signature over another text', badSignature, () => forged(sign(alice.keys, `${text} `))],
    ['another key’s signature under the creator’s name', badSignature, () => forged(sign(bob.keys, text))],
    ['a stranger’s signature alone', badSignature, () => create({ statements: [signed(text, bob.keys)] })],
    [
      'a stranger’s signature too',
      badSignature,
      () => create({ statements: [signed(text, alice.keys, bob.keys)] })
    ],
    ['somebody else as creator', badStatement, () => create(byBob as unknown as Body), /by/],
    ['a request that another has signed', badStatement, () => create({}, bob)],
    ['a group of others', '403 not-in-roster', () => createOf([member('bob', 'admin'), member('carol')])],
    ['a group that others lead', '403 forbidden', () => createOf([member('alice'), member('bob', 'admin')])],
    [
      'a user who does not exist',
      '404 user-not-found',
      () => createOf([member('alice', 'admin'), member('nobody')])
    ],
    [
      'another root of a member',
      '409 root-changed',
      () => createOf([member('alice', 'admin'), `bob member ${roots['carol']}`])
    ],
    [
      'another root of one’s own',
      '409 root-changed',
      () => createOf([`alice admin ${roots['bob']}`, member('bob')])
    ]
  ])
  const lost = await target.device('alice', { password: alice.password })
  expect(await lost.login(false), 200)
  await refuses(t, [['a session without a device', '403 device-required', () => create({}, lost)]])
})

t.test('A direct conversation has two members, and they never change', async (t) => {
  const forbidden = '403 forbidden'
  const by = (changes: readonly Change[]) => change(alice, direct, changes, { known })
  await refuses(t, [
    [
      'one of three',
      badStatement,
      () =>
        createOf(
          ['alice', 'bob', 'carol'].map((n) => member(n)),
          'direct'
        )
    ],
    ['one of oneself', badStatement, () => createOf([member('alice')], 'direct')],
    [
      'one with an admin',
      badStatement,
      () => createOf([member('alice', 'admin'), member('carol')], 'direct')
    ],
    ['one of two others', '403 not-in-roster', () => createOf([member('bob'), member('carol')], 'direct')],
    ['a third member', forbidden, () => by([['add', ['member', member('carol')]]])],
    ['a removal', forbidden, () => by([['remove', ['member', 'bob']]])],
    ['a role', forbidden, () => by([['role', ['member', member('bob', 'admin')]]])],
    ['leaving', forbidden, () => leave(alice, direct)],
    ['renewing a current member', '409 already-member', () => by([['renew', ['member', member('bob')]]])]
  ])
  expect(await change(bob, direct, [['timer', ['message-ttl', 60]]]), 201)
})

t.test('A statement of a chain has exactly its lines', async (t) => {
  const view = await readChain(alice, group)
  const texts = async (one: Change) => (await chainRequest(alice, view, [one])).statements[0]!.text
  const send = (text: string) =>
    post(alice, `/v1/conversations/${group}/chain`, {
      statements: [signed(text, alice.keys)],
      key: fresh.key
    })
  const kinds: Change[] = [
    ['add', ['member', member('carol')]],
    ['role', ['member', member('bob', 'admin')]],
    ['renew', ['member', member('bob')]],
    ['remove', ['member', 'bob']],
    ['timer', ['message-ttl', 60]]
  ]
  const all = await Promise.all(kinds.map(async (one) => [one[0], await texts(one)] as const))
  const { text: left } = await leaving(alice, group)
  const adding = all[0]![1]
  await refuses(t, [
    ...[...all, ['leave', left] as const].flatMap(([kind, text]) =>
      malformed(text).map(([wrong, spoilt]): Case => [
        `a \`conversation-${kind}\` ${wrong}`,
        badStatement,
        () => send(spoilt)
      ])
    ),
    ...['0', '02', '2.0', '1234567890', '-2', '٢'].map((number): Case => [
      `sequence ${number}`,
      badStatement,
      () => send(line(adding, 'sequence', number))
    ]),
    ['a leave with a member', badStatement, () => send(left.replace('\nby ', '\nmember alice\nby '))],
    ['a removal with a role', badStatement, () => send(line(all[3]![1], 'member', member('bob')))],
    ['an addition without a role', badStatement, () => send(line(adding, 'member', 'carol'))],
    ['a timer of minus one', badStatement, () => send(line(all[4]![1], 'message-ttl', '-1'))],
    ['a second beginning', badStatement, () => send(good)],
    ['another conversation', badStatement, () => send(line(adding, 'conversation', foreign))],
    ['a key’s statement', badStatement, () => send(fresh.key.statement.text)]
  ])
})

t.test('The statement of a session key has exactly its lines', async (t) => {
  const { key } = await chainRequest(alice, await readChain(alice, group), [])
  const { text } = key.statement
  const put = (changed: Body, by = alice, id = group) =>
    post(by, `/v1/conversations/${id}/session-keys`, { ...key, ...changed })
  const forged = (signatures: Body) => put({ statement: { text, signatures } })
  const by = alice.keys.signingFp
  await refuses(t, [
    ...malformed(text).map(([wrong, spoilt]): Case => [
      `a statement ${wrong}`,
      badStatement,
      () => put({ statement: signed(spoilt, alice.keys) })
    ]),
    ['another key’s id', badStatement, () => put({ id: randomUUID() })],
    ['another conversation’s address', badStatement, () => put({}, alice, direct)],
    [
      'another maker',
      badStatement,
      () => put({ statement: signed(line(text, 'by', roots['bob']!), bob.keys) })
    ],
    ['another’s statement', badStatement, () => put({}, bob)],
    [
      'another’s signature under the maker’s name',
      badSignature,
      () => forged({ [by]: sign(bob.keys, text) })
    ],
    ['another’s signature alone', badSignature, () => forged({ [roots['bob']!]: sign(bob.keys, text) })],
    ['another’s signature too', badSignature, () => put({ statement: signed(text, alice.keys, bob.keys) })],
    ['a signature over another text', badSignature, () => forged({ [by]: sign(alice.keys, `${text} `) })],
    ['a member that is unknown', invalid, () => put({ secret: 'c2VjcmV0' }), /secret/],
    ['an id that is a number', invalid, () => put({ id: 1 })],
    ['wraps by name', invalid, () => put({ wraps: { ...key.wraps } })],
    ['wraps that are none', invalid, () => put({ wraps: [1] })]
  ])
})
