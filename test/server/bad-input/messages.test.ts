import { randomBytes, randomUUID } from 'node:crypto'
import { eq } from 'drizzle-orm'
import t from 'tap'
import { sessionKeys } from '../../../src/server/db/schema.js'
import { badBase64, startTarget, type Case } from '../../support/bad-input.js'
import { expect, type Message, type Page, type Receipt } from '../../support/interop/http.js'
import type { InteropClient } from '../../support/interop/client.js'

const target = await startTarget(t)
const { refuses } = target
const alice = await target.user('alice')
const bob = await target.user('bob')
const mallory = await target.user('mallory')
const { id: group } = await alice.createConversation('group', ['bob'])
const { id: direct } = await alice.createConversation('direct', ['bob'])
const { id: foreign } = await mallory.createConversation('group', [])

const invalid = '400 invalid-request'
const base64 = (bytes: number) => randomBytes(bytes).toString('base64')

/** The newest session key that a user has made in a conversation, as a message names it. */
const keyOf = (by: InteropClient, id: string) => {
  const { id: sessionKeyId, hash: key } = by.sessionKeys.get(by.currentKey.get(id)!)!
  return { sessionKeyId, key }
}

/** A message that is good as far as the server can tell. */
const envelope = () => ({
  id: randomUUID() as string,
  ...keyOf(alice, group),
  iv: base64(12),
  ciphertext: base64(300),
  signature: base64(64)
})
const send = (changed: Record<string, unknown> = {}, by: InteropClient = alice, to: string = group) =>
  by.raw<Receipt>('POST', `/v1/conversations/${to}/messages`, { body: { ...envelope(), ...changed } })
const history = (query: string, of = group) =>
  alice.raw<Page<Message>>('GET', `/v1/conversations/${of}/messages?${query}`)

t.test('A message has its six members, of their types, and no others', async (t) => {
  const names = Object.keys(envelope())
  const types: [string, unknown][] = [
    ['null', null],
    ['a number', 5],
    ['true', true],
    ['a list', ['AAAA']],
    ['an object', { base64: 'AAAA' }]
  ]
  await refuses(t, [
    ...names.map((name): Case => [
      `no ${name}`,
      invalid,
      () => {
        const body = Object.fromEntries(Object.entries(envelope()).filter(([key]) => key !== name))
        return alice.raw('POST', `/v1/conversations/${group}/messages`, { body })
      },
      new RegExp(`'${name}'`)
    ]),
    ...names.flatMap((name) =>
      types.map(([wrong, value]): Case => [
        `${name} as ${wrong}`,
        invalid,
        () => send({ [name]: value }),
        new RegExp(`body/${name}`)
      ])
    ),
    ['a text in clear', invalid, () => send({ text: 'hello' }), /text/],
    ['another sender', invalid, () => send({ senderId: bob.userId }), /senderId/],
    ['a position', invalid, () => send({ position: 1 }), /position/],
    ['a time', invalid, () => send({ createdAt: '2000-01-01T00:00:00.000Z' }), /createdAt/],
    ['an id in upper case', invalid, () => send({ id: randomUUID().toUpperCase() })],
    ['an id with a comma', invalid, () => send({ id: `${randomUUID()},${randomUUID()}` })],
    ['an id with a NUL', invalid, () => send({ id: `${randomUUID()}\0` })],
    ['an id of words', invalid, () => send({ id: 'latest' })],
    ['a session key that is no id', invalid, () => send({ sessionKeyId: 'current' })],
    ['a key in upper case', invalid, () => send({ key: envelope().key.toUpperCase() })],
    ['a key that is too short', invalid, () => send({ key: envelope().key.slice(1) })]
  ])
})

t.test(
  'A message’s bytes are canonical base64: 12 of IV, 64 of signature, 16 to 65,536 of ciphertext',
  async (t) => {
    await refuses(t, [
      ...['iv', 'ciphertext', 'signature'].flatMap((name) =>
        badBase64(base64({ iv: 13, ciphertext: 301, signature: 64 }[name]!)).map(([wrong, value]): Case => [
          `${name} in base64 ${wrong}`,
          invalid,
          () => send({ [name]: value }),
          new RegExp(`body/${name}`)
        ])
      ),
      ...[0, 8, 10, 11, 13, 14, 16].map((bytes): Case => [
        `an IV of ${bytes} bytes`,
        invalid,
        () => send({ iv: base64(bytes) })
      ]),
      ...[0, 63, 65, 66, 128].map((bytes): Case => [
        `a signature of ${bytes} bytes`,
        invalid,
        () => send({ signature: base64(bytes) })
      ]),
      ...[0, 1, 15].map((bytes): Case => [
        `a ciphertext of ${bytes} bytes, less than its tag`,
        invalid,
        () => send({ ciphertext: base64(bytes) })
      ]),
      [
        'a ciphertext of 65,537 bytes',
        '413 payload-too-large',
        () => send({ ciphertext: base64(65_537) }),
        /65536/
      ],
      ['a ciphertext of 65,540 bytes', invalid, () => send({ ciphertext: base64(65_540) })],
      ['a ciphertext of 100,000 bytes', '413 payload-too-large', () => send({ ciphertext: base64(100_000) })]
    ])
    const largest = base64(65_536)
    const { body } = expect(await send({ ciphertext: largest }), 201)
    const path = `/v1/conversations/${group}/messages?after=${body.position - 1}`
    const { items } = expect(await alice.raw<Page<Message>>('GET', path), 200).body
    t.equal(items[0]!.ciphertext, largest, 'a ciphertext of exactly 65,536 bytes is stored whole')
  }
)

t.test('A message’s id stands for one content in one conversation', async (t) => {
  const message = envelope()
  const first = expect(await send(message), 201).body
  t.strictSame(expect(await send(message), 200).body, first, 'the same again is the same again')
  const conflict = '409 id-conflict'
  await refuses(t, [
    ['another ciphertext', conflict, () => send({ ...message, ciphertext: base64(300) })],
    ['another IV', conflict, () => send({ ...message, iv: base64(12) })],
    ['another signature', conflict, () => send({ ...message, signature: base64(64) })],
    ['another sender', conflict, () => send(message, bob)],
    ['another conversation', conflict, () => send({ ...message, ...keyOf(alice, direct) }, alice, direct)],
    [
      'a stranger’s conversation',
      conflict,
      () => send({ ...message, ...keyOf(mallory, foreign) }, mallory, foreign)
    ]
  ])
})

t.test('A message goes to a conversation of its sender, under the current session key', async (t) => {
  const rekey = '409 rekey-required'
  const absent = '404 conversation-not-found'
  await refuses(t, [
    ['a session key of nobody', rekey, () => send({ sessionKeyId: randomUUID() })],
    ['a session key of another conversation', rekey, () => send(keyOf(alice, direct))],
    ['a session key of a stranger', rekey, () => send(keyOf(mallory, foreign))],
    ['a conversation of others', absent, () => send({}, mallory)],
    ['a conversation of others, under one’s own key', absent, () => send(keyOf(mallory, foreign), mallory)],
    ['a conversation that there is not', absent, () => send({}, alice, randomUUID())],
    ['a conversation that is no id', invalid, () => send({}, alice, 'all')]
  ])

  const outdated = keyOf(alice, group)
  expect(await alice.newKey(group), 201)
  await refuses(t, [['a session key that was replaced', rekey, () => send(outdated)]])

  const { id, answer } = await alice.createConversation('group', ['bob'])
  expect(answer, 201)
  const key = keyOf(alice, id)
  expect(await alice.removeMember(id, 'bob'), 201)
  await refuses(t, [
    ['a session key from before a removal', rekey, () => send(key, alice, id)],
    ['a member who was removed', absent, () => send(key, bob, id)]
  ])

  const lost = await target.device('alice', { password: alice.password })
  expect(await lost.login(false), 200)
  await refuses(t, [['a session without a device', '403 device-required', () => send({}, lost)]])
})

t.test('A session key is valid for 2^20 messages', async (t) => {
  const { id } = await alice.createConversation('group', [])
  const key = keyOf(alice, id)
  const { db } = target.services
  const used = (messageCount: number) =>
    db.update(sessionKeys).set({ messageCount }).where(eq(sessionKeys.id, key.sessionKeyId))
  await used(2 ** 20 - 1)
  expect(await send(key, alice, id), 201)
  await refuses(t, [['one more', '409 rekey-required', () => send(key, alice, id)]])
})

t.test('A batch takes none of the refused messages and all of the good ones', async (t) => {
  const good = Array.from({ length: 5 }, envelope)
  const sent = await Promise.all([
    send(good[0]),
    send({ sessionKeyId: randomUUID() }),
    send(good[1]),
    send({}, mallory),
    send(good[2]),
    send({ ...good[0], iv: base64(12) }),
    send(good[3]),
    send({ ciphertext: base64(65_537) }),
    send(good[4])
  ])
  t.strictSame(
    sent.map(({ status }) => status),
    [201, 409, 201, 404, 201, 409, 201, 413, 201]
  )
  const { items } = expect(await history('limit=5'), 200).body
  t.strictSame(items.map(({ id }) => id).sort(), good.map(({ id }) => id).sort())
})

t.test('History is asked for from one place at a time, by whole numbers', async (t) => {
  const cursor = '400 invalid-cursor'
  await refuses(t, [
    ['before and after at once', invalid, () => history('before=5&after=1'), /one of/],
    ['before and a cursor', invalid, () => history('before=5&cursor=before-3'), /one of/],
    ['after and a cursor', invalid, () => history('after=5&cursor=after-3'), /one of/],
    ...[
      'abc',
      '-1',
      '1.5',
      '',
      'NaN',
      'Infinity',
      '-Infinity',
      '9007199254740992',
      `1${'0'.repeat(30)}`,
      '%00',
      '5%00',
      '1,2'
    ].flatMap((number) =>
      ['before', 'after'].map((name): Case => [
        `${name}=${number}`,
        invalid,
        () => history(`${name}=${number}`)
      ])
    ),
    ['after=1 twice', invalid, () => history('after=1&after=2')],
    ['after[]=1', invalid, () => history('after[]=1')],
    ...['0', '201', '-1', 'abc', '1.5', '', 'Infinity', '50%00', '1e30'].map((limit): Case => [
      `limit=${limit}`,
      invalid,
      () => history(`limit=${limit}`),
      /querystring\/limit/
    ]),
    ['limit=5 twice', invalid, () => history('limit=5&limit=6')],
    ['a question that is unknown', invalid, () => history('since=5'), /since/],
    ...[
      'abc',
      'before',
      'before-',
      'before--1',
      'sideways-1',
      '5',
      'before-1.5',
      'before-9999999999999999',
      'after-1%00',
      ''
    ].map((text): Case => [`cursor=${text}`, cursor, () => history(`cursor=${text}`)]),
    ['a cursor of 1,025 characters', invalid, () => history(`cursor=${'x'.repeat(1025)}`)]
  ])
  for (const query of [
    'after=9007199254740991',
    'before=0',
    'cursor=before-0',
    'cursor=after-999999999999999'
  ])
    t.match(expect(await history(query), 200).body, { items: [], next: null }, query)
})

t.test('A message that was refused many times is accepted once it is valid', async (t) => {
  expect(await send(), 201)
  t.strictSame(target.log, [], 'and none of this was worth a warning in the log')
})
