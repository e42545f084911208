import { randomBytes, randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { badBase64, malformed, said, startTarget, type Case } from '../../support/bad-input.js'
import { signed, statementHash, statementText, type Statement } from '../../support/interop/chains.js'
import { rosterHash, sha256Hex, sign, type DeviceKeys } from '../../support/interop/crypto.js'
import { expect, type Answer } from '../../support/interop/http.js'
import type { Covered, SessionKeyBody } from '../../support/interop/conversations.js'
import type { InteropClient } from '../../support/interop/client.js'

const target = await startTarget(t)
const { refuses } = target
const alice = await target.user('alice')
const bob = await target.user('bob')
const carol = await target.user('carol')
const mallory = await target.user('mallory')
const roots = Object.fromEntries(
  [alice, bob, carol, mallory].map((user) => [user.username, user.keys.signingFp])
)

const { id: group, answer: grouped } = await alice.createConversation('group', ['bob'])
expect(grouped, 201)
const { id: direct, answer: directed } = await alice.createConversation('direct', ['bob'])
expect(directed, 201)
const { id: foreign, answer: founded } = await mallory.createConversation('group', ['carol'])
expect(founded, 201)

const invalid = '400 invalid-request'
const badStatement = '400 invalid-statement'
const badSignature = '400 invalid-signature'
const absent = '404 conversation-not-found'

type Body = Record<string, unknown>
const post = (by: InteropClient, path: string, body: unknown) => by.raw('POST', path, { body })
const line = (text: string, name: string, value: string) =>
  text.replace(new RegExp(`^${name} .*$`, 'm'), `${name} ${value}`)
const member = (name: string, role = 'member') => `${name} ${role} ${roots[name] ?? sha256Hex(name)}`

const fresh = randomUUID()

/** The statement that creates a conversation of these `member` lines. */
const creation = (members: readonly string[], kind = 'group', id: string = fresh, by = alice) =>
  statementText('conversation-create', [
    ['conversation', id],
    ['sequence', 1],
    ['previous', '-'],
    ['kind', kind],
    ...members.map((value) => ['member', value] as const),
    ['by', by.keys.signingFp]
  ])
const good = creation([member('alice', 'admin'), member('bob')])
const create = (statement: unknown, changed: Body = {}, by = alice) =>
  post(by, '/v1/conversations', { id: fresh, statement, ...changed })
const createText = (text: string) => create(signed(text, alice.keys))
const createOf = (members: readonly string[], kind?: string) => createText(creation(members, kind))

/** The next statement of a conversation's chain. */
async function next(id: string, kind: string, about?: string, by = alice, of = alice): Promise<string> {
  const { sequence, head } = await of.chain(id)
  return statementText(kind, [
    ['conversation', id],
    ['sequence', sequence + 1],
    ['previous', head],
    ...(about === undefined ? [] : [['member', about] as const]),
    ['by', by.keys.signingFp]
  ])
}
const change = (id: string, statement: unknown, by = alice) =>
  post(by, `/v1/conversations/${id}/chain`, { statement })
const changeText = (text: string, by = alice, id = group) => change(id, signed(text, by.keys), by)

t.test('A `conversation-create` has exactly its lines', async (t) => {
  const names = Array.from({ length: 1025 }, (_, at) => `user${String(at).padStart(4, '0')}`)
  const crowd = (count: number) => [
    member('alice', 'admin'),
    ...names.slice(1, count).map((name) => member(name))
  ]
  await refuses(t, [
    ...malformed(good).map(([wrong, text]): Case => [
      `a statement ${wrong}`,
      badStatement,
      () => createText(text)
    ]),
    ...['0', '01', '2', '999999999', '1234567890', '-1', '1.0', ''].map((number): Case => [
      `sequence ${number}`,
      badStatement,
      () => createText(line(good, 'sequence', number))
    ]),
    ['a statement before the first', badStatement, () => createText(line(good, 'previous', sha256Hex('x')))],
    ['a kind that there is not', badStatement, () => createText(line(good, 'kind', 'channel'))],
    [
      'a member twice',
      badStatement,
      () => createOf([member('alice', 'admin'), member('bob'), member('bob')])
    ],
    [
      'a member twice in two roles',
      badStatement,
      () => createOf([member('alice', 'admin'), member('alice'), member('bob')])
    ],
    [
      'members out of order',
      badStatement,
      () => createOf([member('bob'), member('alice', 'admin')]),
      /sorted/
    ],
    ['no members', badStatement, () => createOf([])],
    ['1,025 members', badStatement, () => createOf(crowd(1025)), /1024/],
    ['1,024 members whom nobody knows', '404 user-not-found', () => createOf(crowd(1024))],
    ['a role that there is not', badStatement, () => createOf([member('alice', 'owner')])],
    ['a member without a root', badStatement, () => createOf(['alice admin'])],
    ['a member with more', badStatement, () => createOf([`${member('alice', 'admin')} forever`])],
    ['a member in upper case', badStatement, () => createOf([member('Alice', 'admin')])],
    ['a member with a homoglyph', badStatement, () => createOf([member('\u0430lice', 'admin')])],
    [
      'another conversation’s id',
      badStatement,
      () => create(signed(good, alice.keys), { id: randomUUID() }),
      /conversation/
    ],
    [
      'another kind of statement',
      badStatement,
      async () => createText(await next(group, 'conversation-leave'))
    ]
  ])
})

t.test('The body that creates a conversation has its members, of their types', async (t) => {
  const statement = signed(good, alice.keys)
  const sessionKey = { id: randomUUID(), statement, wraps: [] }
  await refuses(t, [
    ['no id', invalid, () => post(alice, '/v1/conversations', { statement }), /'id'/],
    ['no statement', invalid, () => post(alice, '/v1/conversations', { id: fresh }), /'statement'/],
    ['a title', invalid, () => create(statement, { title: 'friends' }), /title/],
    ['an id in upper case', invalid, () => create(statement, { id: fresh.toUpperCase() })],
    ['an id with a NUL', invalid, () => create(statement, { id: `${fresh}\0` })],
    ['an id that is a list', invalid, () => create(statement, { id: [fresh] })],
    ['a statement that is a text', invalid, () => create(good)],
    ['a statement with a hash', invalid, () => create({ ...statement, hash: sha256Hex(good) })],
    ['a session key that is null', invalid, () => create(statement, { sessionKey: null })],
    ['a session key without wraps', invalid, () => create(statement, { sessionKey })],
    [
      'a session key with more',
      invalid,
      () => create(statement, { sessionKey: { ...sessionKey, key: 'x' } })
    ],
    ['a list of bodies', invalid, () => post(alice, '/v1/conversations', [{ id: fresh, statement }])]
  ])
})

t.test('The creator of a conversation signs it, is a member, and is the admin of a group', async (t) => {
  const members = [member('alice', 'admin'), member('bob')]
  const { text, signatures } = signed(good, alice.keys)
  const [fp] = Object.keys(signatures) as [string]
  const forged = (value: string) => create({ text, signatures: { [fp]: value } })
  await refuses(t, [
    ['no signature', invalid, () => create({ text, signatures: {} })],
    ['a signature over another text', badSignature, () => forged(sign(alice.keys, `${text} `))],
    ['another key’s signature under the creator’s name', badSignature, () => forged(sign(bob.keys, text))],
    ['a stranger’s signature alone', badSignature, () => create(signed(text, bob.keys))],
    ['a stranger’s signature too', badSignature, () => create(signed(text, alice.keys, bob.keys))],
    [
      'somebody else as creator',
      badStatement,
      () => create(signed(creation(members, 'group', fresh, bob), bob.keys)),
      /by/
    ],
    ['a statement that another has signed', badStatement, () => create(signed(good, alice.keys), {}, bob)],
    ['a group of others', '403 forbidden', () => createOf([member('bob', 'admin'), member('carol')])],
    ['a group that others lead', '403 forbidden', () => createOf([member('alice'), member('bob', 'admin')])],
    [
      'a user who does not exist',
      '404 user-not-found',
      () => createOf([member('alice', 'admin'), member('nobody')])
    ],
    [
      'another root of a member',
      '409 root-changed',
      () => createOf([member('alice', 'admin'), `bob member ${roots['carol']}`]),
      new RegExp(roots['bob']!)
    ],
    [
      'another root of one’s own',
      '409 root-changed',
      () => createOf([`alice admin ${roots['bob']}`, member('bob')])
    ]
  ])

  const lost = await target.device('alice', { password: alice.password })
  expect(await lost.login(false), 200)
  await refuses(t, [
    ['a session without a device', '403 device-required', () => create(signed(good, alice.keys), {}, lost)]
  ])
})

t.test('Two users have one direct conversation, and it never changes', async (t) => {
  const both = [member('alice'), member('bob')]
  const forbidden = '403 forbidden'
  await refuses(t, [
    ['a second one', '409 direct-exists', () => createOf(both, 'direct'), { conversationId: direct }],
    [
      'a second one, from the other side',
      '409 direct-exists',
      () => create(signed(creation(both, 'direct', fresh, bob), bob.keys), {}, bob),
      { conversationId: direct }
    ],
    ['one of three', badStatement, () => createOf([...both, member('carol')], 'direct')],
    ['one of oneself alone', badStatement, () => createOf([member('alice')], 'direct')],
    ['one of two others', forbidden, () => createOf([member('bob'), member('carol')], 'direct')],
    ...(
      [
        ['a third member', 'conversation-add', member('carol')],
        ['a removal', 'conversation-remove', 'bob'],
        ['a role', 'conversation-role', member('bob', 'admin')],
        ['leaving', 'conversation-leave', undefined]
      ] as const
    ).map(([wrong, kind, about]): Case => [
      wrong,
      forbidden,
      async () => changeText(await next(direct, kind, about), alice, direct)
    ]),
    [
      'adding the other again without a reset',
      '409 already-member',
      async () => changeText(await next(direct, 'conversation-add', member('bob')), alice, direct)
    ]
  ])
})

t.test('An id belongs to the content that came with it first', async (t) => {
  const again = creation([member('alice', 'admin'), member('carol')], 'group', group)
  await refuses(t, [
    [
      'one’s own conversation with other members',
      '409 id-conflict',
      () => create(signed(again, alice.keys), { id: group })
    ],
    [
      'a conversation that one is not in',
      '409 id-conflict',
      () =>
        create(signed(creation([member('alice', 'admin')], 'group', foreign), alice.keys), { id: foreign })
    ]
  ])
})

t.test('A change of members has exactly its lines, and extends the chain’s newest statement', async (t) => {
  const adding = await next(group, 'conversation-add', member('carol'))
  const leaving = await next(group, 'conversation-leave')
  const { head } = await alice.chain(group)
  const stale = '409 stale-chain'
  await refuses(t, [
    ...malformed(adding).map(([wrong, text]): Case => [
      `a \`conversation-add\` ${wrong}`,
      badStatement,
      () => changeText(text)
    ]),
    ...malformed(await next(group, 'conversation-remove', 'bob')).map(([wrong, text]): Case => [
      `a \`conversation-remove\` ${wrong}`,
      badStatement,
      () => changeText(text)
    ]),
    ...malformed(leaving).map(([wrong, text]): Case => [
      `a \`conversation-leave\` ${wrong}`,
      badStatement,
      () => changeText(text)
    ]),
    ...['0', '02', '2.0', '1234567890', '-2', '٢'].map((number): Case => [
      `sequence ${number}`,
      badStatement,
      () => changeText(line(adding, 'sequence', number))
    ]),
    ...['1', '3', '999999999'].map((number): Case => [
      `sequence ${number}`,
      stale,
      () => changeText(line(adding, 'sequence', number)),
      { head, sequence: 1 }
    ]),
    ['no statement before', stale, () => changeText(line(adding, 'previous', '-')), { head }],
    ['another statement before', stale, () => changeText(line(adding, 'previous', sha256Hex('x'))), { head }],
    [
      'a leave with a member',
      badStatement,
      () => changeText(leaving.replace('\nby ', '\nmember alice\nby '))
    ],
    [
      'a removal with a role',
      badStatement,
      async () => changeText(await next(group, 'conversation-remove', member('bob')))
    ],
    ['an addition without a role', badStatement, () => changeText(line(adding, 'member', 'carol'))],
    [
      'a second beginning',
      badStatement,
      () => changeText(creation([member('alice', 'admin')], 'group', group))
    ],
    ['another conversation', badStatement, () => changeText(line(adding, 'conversation', foreign))],
    [
      'a session key’s statement',
      badStatement,
      () => changeText(adding.replace('conversation-add', 'session-key'))
    ],
    ['no statement', invalid, () => post(alice, `/v1/conversations/${group}/chain`, {})],
    [
      'two statements',
      invalid,
      () => change(group, [signed(adding, alice.keys), signed(leaving, alice.keys)])
    ],
    [
      'a statement and more',
      invalid,
      () =>
        post(alice, `/v1/conversations/${group}/chain`, {
          statement: signed(adding, alice.keys),
          force: true
        })
    ]
  ])
})

t.test('Members of a group are changed by its admins, one step at a time', async (t) => {
  const by = async (actor: InteropClient, kind: string, about?: string) =>
    changeText(await next(group, kind, about, actor), actor)
  const adding = await next(group, 'conversation-add', member('carol'))
  const { signatures } = signed(adding, alice.keys)
  const [fp] = Object.keys(signatures) as [string]
  const forged = (given: Body) => change(group, { text: adding, signatures: given })
  await refuses(t, [
    ['a member who adds', '403 not-admin', () => by(bob, 'conversation-add', member('carol'))],
    ['a member who removes', '403 not-admin', () => by(bob, 'conversation-remove', 'alice')],
    [
      'a member who makes himself admin',
      '403 not-admin',
      () => by(bob, 'conversation-role', member('bob', 'admin'))
    ],
    ['adding a member again', '409 already-member', () => by(alice, 'conversation-add', member('bob'))],
    [
      'adding a member again as admin',
      '409 already-member',
      () => by(alice, 'conversation-add', member('bob', 'admin'))
    ],
    [
      'adding a user who does not exist',
      '404 user-not-found',
      () => by(alice, 'conversation-add', member('nobody'))
    ],
    [
      'adding under another root',
      '409 root-changed',
      () => by(alice, 'conversation-add', `carol member ${roots['bob']}`)
    ],
    ['removing whoever is no member', '409 not-a-member', () => by(alice, 'conversation-remove', 'carol')],
    ['removing whoever does not exist', '409 not-a-member', () => by(alice, 'conversation-remove', 'nobody')],
    [
      'a role for whoever is no member',
      '409 not-a-member',
      () => by(alice, 'conversation-role', member('carol'))
    ],
    [
      'a role under another root',
      '409 root-changed',
      () => by(alice, 'conversation-role', `bob admin ${roots['carol']}`)
    ],
    [
      'an admin’s statement in a member’s hands',
      badStatement,
      () => change(group, signed(adding, alice.keys), bob)
    ],
    [
      'a member’s signature under the admin’s name',
      badSignature,
      () => forged({ [fp]: sign(bob.keys, adding) })
    ],
    [
      'a member’s signature alone',
      badSignature,
      () => forged({ [bob.keys.signingFp]: sign(bob.keys, adding) })
    ],
    [
      'a stranger’s signature too',
      badSignature,
      () => forged({ ...signatures, [mallory.keys.signingFp]: sign(mallory.keys, adding) })
    ]
  ])
})

/** A session key for a conversation's present roster; `changed` may spoil its body, `lines` its statement. */
async function newKey(
  by: InteropClient,
  id: string,
  changed: {
    head?: string
    cover?: (covered: Covered[]) => Covered[]
    wraps?: (wraps: SessionKeyBody['wraps']) => unknown
    text?: (text: string) => string
    signers?: DeviceKeys[]
    body?: Body
  } = {}
): Promise<Answer<unknown>> {
  const { head, covered } = await by.roster(id)
  const { body } = by.makeKey(id, changed.head ?? head, changed.cover?.(covered) ?? covered)
  const text = changed.text?.(body.statement.text) ?? body.statement.text
  return post(by, `/v1/conversations/${id}/session-keys`, {
    id: body.id,
    statement: signed(text, ...(changed.signers ?? [by.keys])),
    wraps: changed.wraps?.(body.wraps) ?? body.wraps,
    ...changed.body
  })
}
const cover = (user: InteropClient): Covered => ({
  deviceId: user.deviceId,
  signingKey: user.keys.signingFp,
  encryptionKey: user.keys.encryptionKey
})

t.test('A session key covers exactly the devices of the members', async (t) => {
  const { head, covered } = await alice.roster(group)
  const stale = '409 stale-roster'
  const difference = (missing: string[], unexpected: string[]) => ({ head, missing, unexpected })
  const nobody = { ...cover(mallory), deviceId: randomUUID() }
  const lines = covered.map(({ signingKey }) => ({ signingKey, encryptionKey: mallory.keys.encryptionFp }))
  await refuses(t, [
    [
      'a device left out',
      stale,
      () => newKey(alice, group, { cover: () => [cover(alice)] }),
      difference([bob.deviceId], [])
    ],
    [
      'a stranger’s device',
      stale,
      () => newKey(alice, group, { cover: (all) => [...all, cover(mallory)] }),
      difference([], [mallory.deviceId])
    ],
    [
      'a stranger’s device for a member’s',
      stale,
      () => newKey(alice, group, { cover: () => [cover(alice), cover(mallory)] }),
      difference([bob.deviceId], [mallory.deviceId])
    ],
    [
      'a device of nobody',
      stale,
      () => newKey(alice, group, { cover: (all) => [...all, nobody] }),
      difference([], [nobody.deviceId])
    ],
    [
      'a wrap that the roster does not name',
      stale,
      () => newKey(alice, group, { wraps: (all) => [...all, { ...all[0], deviceId: mallory.deviceId }] }),
      difference([], [mallory.deviceId])
    ],
    [
      'a wrap too few for the roster',
      stale,
      () => newKey(alice, group, { wraps: (all) => all.filter(({ deviceId }) => deviceId !== bob.deviceId) }),
      difference([bob.deviceId], [])
    ],
    [
      'a roster of other keys',
      stale,
      () => newKey(alice, group, { text: (text) => line(text, 'roster', rosterHash(lines)) }),
      difference([], [])
    ],
    ['another head', stale, () => newKey(alice, group, { head: sha256Hex('x') }), difference([], [])],
    [
      'two wraps for one device',
      invalid,
      () => newKey(alice, group, { wraps: (all) => [...all, all[0]] }),
      /two wraps/
    ],
    ['no wraps', invalid, () => newKey(alice, group, { wraps: () => [] })],
    ['wraps that are none', invalid, () => newKey(alice, group, { wraps: () => [1] })],
    ['wraps by name', invalid, () => newKey(alice, group, { wraps: (all) => ({ ...all }) })]
  ])
})

t.test('A wrap is base64 of as many bytes as the device’s key has', async (t) => {
  const wrapped = (value: unknown, more: Body = {}) =>
    newKey(alice, group, { wraps: ([one, ...rest]) => [{ ...one, wrappedKey: value, ...more }, ...rest] })
  const of = (bytes: number) => randomBytes(bytes).toString('base64')
  await refuses(t, [
    ...badBase64(of(256)).map(([wrong, base64]): Case => [`base64 ${wrong}`, invalid, () => wrapped(base64)]),
    ...[255, 257, 384, 512].map((bytes): Case => [
      `${bytes} bytes`,
      invalid,
      () => wrapped(of(bytes)),
      /bytes|shorter|fewer/
    ]),
    ['32 bytes', invalid, () => wrapped(of(32))],
    ['513 bytes', invalid, () => wrapped(of(513))],
    ['a number', invalid, () => wrapped(1)],
    ['a list of bytes', invalid, () => wrapped([...randomBytes(256)])],
    ['a member that is unknown', invalid, () => wrapped(of(256), { label: '' }), /label/],
    [
      'a device’s id in upper case',
      invalid,
      () => wrapped(of(256), { deviceId: alice.deviceId.toUpperCase() })
    ]
  ])
})

t.test(
  'The statement of a session key has exactly its lines, signed by the device that made it',
  async (t) => {
    const { head, covered } = await alice.roster(group)
    const { body } = alice.makeKey(group, head, covered)
    const put = (statement: unknown, changed: Body = {}, by = alice, id = group) =>
      post(by, `/v1/conversations/${id}/session-keys`, { ...body, statement, ...changed })
    const { text } = body.statement
    const by = alice.keys.signingFp
    const forged = (signatures: Body) => put({ text, signatures })
    await refuses(t, [
      ...malformed(text).map(([wrong, spoilt]): Case => [
        `a statement ${wrong}`,
        badStatement,
        () => put(signed(spoilt, alice.keys))
      ]),
      ['another key’s id', badStatement, () => put(body.statement, { id: randomUUID() })],
      [
        'another conversation',
        badStatement,
        () => put(signed(line(text, 'conversation', direct), alice.keys))
      ],
      ['another conversation’s address', badStatement, () => put(body.statement, {}, alice, direct)],
      ['another maker', badStatement, () => put(signed(line(text, 'by', bob.keys.signingFp), bob.keys))],
      ['another’s statement', badStatement, () => put(body.statement, {}, bob)],
      [
        'another’s signature under the maker’s name',
        badSignature,
        () => forged({ [by]: sign(bob.keys, text) })
      ],
      [
        'another’s signature alone',
        badSignature,
        () => forged({ [bob.keys.signingFp]: sign(bob.keys, text) })
      ],
      ['another’s signature too', badSignature, () => put(signed(text, alice.keys, bob.keys))],
      ['a signature over another text', badSignature, () => forged({ [by]: sign(alice.keys, `${text} `) })],
      ['a member that is unknown', invalid, () => put(body.statement, { key: 'c2VjcmV0' }), /key/],
      ['an id that is a number', invalid, () => put(body.statement, { id: 1 })]
    ])
  }
)

t.test('The id of a session key is used once across all conversations', async (t) => {
  const [mine, theirs] = [alice.currentKey.get(group)!, mallory.currentKey.get(foreign)!]
  const renamed = (id: string) => ({
    text: (text: string) => line(text, 'session-key', id),
    body: { id }
  })
  const founding = creation([member('alice', 'admin')])
  const found = (id: string) => {
    const { body } = alice.makeKey(fresh, statementHash(signed(founding, alice.keys)), [cover(alice)])
    const statement = signed(line(body.statement.text, 'session-key', id), alice.keys)
    return create(signed(founding, alice.keys), { sessionKey: { ...body, id, statement } })
  }
  const conflict = '409 id-conflict'
  await refuses(t, [
    ['another key under the same id', conflict, () => newKey(alice, group, renamed(mine))],
    ['the id of a key of another conversation', conflict, () => newKey(alice, direct, renamed(mine))],
    ['the id of a stranger’s key', conflict, () => newKey(alice, group, renamed(theirs))],
    ['a new conversation with the id of one’s own key', conflict, () => found(mine)],
    ['a new conversation with the id of a stranger’s key', conflict, () => found(theirs)]
  ])
})

t.test('A conversation starts with a valid session key, or not at all', async (t) => {
  const statement = signed(creation([member('alice', 'admin')]), alice.keys)
  const { body } = alice.makeKey(fresh, statementHash(statement), [cover(alice)])
  const { body: other } = alice.makeKey(fresh, statementHash(statement), [cover(alice), cover(bob)])
  const { body: headless } = alice.makeKey(fresh, sha256Hex('x'), [cover(alice)])
  const found = (sessionKey: unknown) => create(statement, { sessionKey })
  const wraps = [{ deviceId: alice.deviceId, wrappedKey: randomBytes(255).toString('base64') }]
  await refuses(t, [
    ['a stranger’s device', '409 stale-roster', () => found(other)],
    ['another head', '409 stale-roster', () => found(headless)],
    ['a wrap of another size', invalid, () => found({ ...body, wraps })],
    [
      'a forged signature',
      badSignature,
      () => found({ ...body, statement: signed(body.statement.text, bob.keys) })
    ],
    [
      'another conversation’s statement',
      badStatement,
      () =>
        found({ ...body, statement: signed(line(body.statement.text, 'conversation', group), alice.keys) })
    ]
  ])
})

t.test('Any device that holds an older key adds wraps of it, for devices of members', async (t) => {
  const key = alice.currentKey.get(group)!
  const wrap = (deviceId: string, bytes = 256) => ({
    deviceId,
    wrappedKey: randomBytes(bytes).toString('base64')
  })
  const add = (wraps: unknown, keyId = key, id = group, by = alice) =>
    post(by, `/v1/conversations/${id}/session-keys/${keyId}/wraps`, { wraps })
  const tablet = await target.device('bob', { password: bob.password })
  expect(await tablet.login(false), 200)
  expect(await tablet.addDevice(bob.keys), 201)
  expect(await tablet.login(), 200)
  const stale = '409 stale-roster'
  const noKey = '404 session-key-not-found'
  await refuses(t, [
    ['a stranger’s device', stale, () => add([wrap(mallory.deviceId)]), { unexpected: [mallory.deviceId] }],
    [
      'a stranger’s device among others',
      stale,
      () => add([wrap(tablet.deviceId), wrap(mallory.deviceId)]),
      { unexpected: [mallory.deviceId] }
    ],
    ['a device of nobody', stale, () => add([wrap(randomUUID())])],
    ['two wraps for one device', invalid, () => add([wrap(tablet.deviceId), wrap(tablet.deviceId)])],
    ['a wrap of another size', invalid, () => add([wrap(tablet.deviceId, 384)])],
    ['no wraps', invalid, () => add([])],
    ['a wrap that is none', invalid, () => add([null])],
    [
      'more than wraps',
      invalid,
      () =>
        post(alice, `/v1/conversations/${group}/session-keys/${key}/wraps`, {
          wraps: [wrap(tablet.deviceId)],
          statement: {}
        })
    ],
    ['a key of nobody', noKey, () => add([wrap(tablet.deviceId)], randomUUID())],
    [
      'a key of another conversation',
      noKey,
      () => add([wrap(tablet.deviceId)], alice.currentKey.get(direct))
    ],
    [
      'a key of a stranger’s conversation',
      noKey,
      () => add([wrap(tablet.deviceId)], mallory.currentKey.get(foreign))
    ],
    ['a key that one does not hold', noKey, () => add([wrap(tablet.deviceId)], key, group, tablet)],
    ['a key that is no id', invalid, () => add([wrap(tablet.deviceId)], '%25')],
    ['a stranger', absent, () => add([wrap(mallory.deviceId)], key, group, mallory)]
  ])
})

t.test('A conversation of others looks like one that does not exist', async (t) => {
  const message = {
    id: randomUUID(),
    sessionKeyId: alice.currentKey.get(group)!,
    iv: randomBytes(12).toString('base64'),
    ciphertext: randomBytes(300).toString('base64'),
    signature: randomBytes(64).toString('base64')
  }
  const { head, covered } = await alice.roster(group)
  const routes: [what: string, (id: string) => Promise<Answer<unknown>>][] = [
    ...['', '/chain', '/roster', '/session-keys', '/messages', '/messages?after=0', '/chain?after=1'].map(
      (path): [string, (id: string) => Promise<Answer<unknown>>] => [
        `GET ${path}`,
        (id) => mallory.raw('GET', `/v1/conversations/${id}${path}`)
      ]
    ),
    ['sending', (id) => post(mallory, `/v1/conversations/${id}/messages`, message)],
    [
      'a session key',
      (id) => {
        const { body } = mallory.makeKey(id, head, [...covered, cover(mallory)])
        return post(mallory, `/v1/conversations/${id}/session-keys`, body)
      }
    ],
    [
      'wraps',
      (id) =>
        post(mallory, `/v1/conversations/${id}/session-keys/${message.sessionKeyId}/wraps`, {
          wraps: [{ deviceId: mallory.deviceId, wrappedKey: randomBytes(256).toString('base64') }]
        })
    ],
    ...(
      [
        ['conversation-add', member('mallory', 'admin')],
        ['conversation-remove', 'alice'],
        ['conversation-leave', undefined]
      ] as const
    ).map(([kind, about]): [string, (id: string) => Promise<Answer<unknown>>] => [
      `a ${kind}`,
      async (id) => {
        const text = await next(group, kind, about, mallory)
        return changeText(line(text, 'conversation', id), mallory, id)
      }
    ])
  ]
  const never = randomUUID()
  await refuses(
    t,
    routes.flatMap(([what, request]): Case[] => [
      [`${what} in a stranger’s conversation`, absent, () => request(group)],
      [`${what} in a conversation that there is not`, absent, () => request(never)]
    ])
  )
  for (const [what, request] of routes) {
    const [there, not] = await Promise.all([request(group), request(never)])
    t.strictSame(said(there), said(not), `${what} tells nothing`)
    t.strictSame(Object.keys(there.headers), Object.keys(not.headers))
  }
})

t.test('A removed member reads and changes nothing any more', async (t) => {
  const { id, answer } = await alice.createConversation('group', ['bob', 'carol'])
  expect(answer, 201)
  const late = await next(id, 'conversation-leave', undefined, carol)
  expect(await alice.removeMember(id, 'carol'), 201)
  await refuses(t, [
    ...['', '/chain', '/roster', '/session-keys', '/messages'].map((path): Case => [
      `GET ${path}`,
      absent,
      () => carol.raw('GET', `/v1/conversations/${id}${path}`)
    ]),
    ['leaving', absent, () => changeText(late, carol, id)],
    [
      'adding herself again',
      absent,
      async () => changeText(await next(id, 'conversation-add', member('carol'), carol), carol, id)
    ]
  ])
  expect(await alice.newKey(id), 201)
})

t.test('A conversation has at most 1,024 members', async (t) => {
  const { id, answer } = await alice.createConversation('group', ['bob'])
  expect(answer, 201)
  await target.services.db.execute(sql`
    with crowd as (
      insert into users (id, username, password_hash, chain_sequence, chain_head, root)
      select gen_random_uuid(), 'crowd' || n, '', 1, '', '' from generate_series(1, 1022) n returning id
    )
    insert into memberships (conversation_id, user_id, joined_at, role, root)
    select ${id}::uuid, id, (select last from log_head), 'member', '' from crowd`)
  await refuses(t, [
    [
      'one more',
      '409 too-many-members',
      async () => changeText(await next(id, 'conversation-add', member('carol')), alice, id)
    ]
  ])
})

t.test('An id in an address is a lower-case UUID', async (t) => {
  const ids = [
    group.toUpperCase(),
    group.slice(1),
    `${group}x`,
    `${group}%00`,
    `%7B${group}%7D`,
    '%25',
    '..%2f..%2fusers%2fme',
    "'%20or%201=1--",
    '00000000-0000-0000-0000-00000000000g',
    '%F0%9F%92%A9'
  ]
  await refuses(
    t,
    ids.flatMap((id) =>
      ['', '/chain', '/messages'].map((path): Case => [
        `GET /v1/conversations/${id}${path}`,
        invalid,
        () => alice.raw('GET', `/v1/conversations/${id}${path}`),
        /params\/id/
      ])
    )
  )
})

t.test('A conversation that was refused many times is accepted once it is valid', async (t) => {
  const statement: Statement = signed(good, alice.keys)
  expect(await create(statement), 201)
  expect(await create(statement), 200)
  expect(await alice.addMember(group, 'carol'), 201)
  expect(await newKey(alice, group), 201)
  t.strictSame(target.log, [], 'and none of this was worth a warning in the log')
})
