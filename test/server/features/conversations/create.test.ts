import { randomUUID } from 'node:crypto'
import t from 'tap'
import { startTarget } from '../../../support/bad-input.js'
import { chainRequest, creation, readChain } from '../../../support/chain-requests.js'
import { change, found, leave, member, newKey, post, show } from '../../../support/conversations.js'
import { expect, type Page } from '../../../support/interop/http.js'
import type { InteropClient } from '../../../support/interop/client.js'

const target = await startTarget(t)
const [alice, bob, carol] = [await target.user('alice'), await target.user('bob'), await target.user('carol')]
const create = (by: InteropClient, body: unknown) => post(by, '/v1/conversations', body)

/** The user starts again on another device. */
async function reset(of: InteropClient): Promise<InteropClient> {
  const device = await target.device(of.username, { password: of.password })
  expect(await device.login(false), 200)
  expect(await device.reset(), 201)
  return device
}

t.test('A conversation starts with its members, its first session key and one event', async (t) => {
  const stream = await bob.live()
  const body = await creation(alice, 'group', ['bob'])
  const { conversation } = expect(
    await post<{ conversation: object }>(alice, '/v1/conversations', body),
    201
  ).body
  const { head, position } = { head: (await readChain(alice, body.id)).head, position: 1 }
  t.match(conversation, {
    id: body.id,
    kind: 'group',
    role: 'admin',
    memberCount: 2,
    members: [
      { username: 'alice', role: 'admin', root: alice.keys.signingFp, joinedAt: position },
      { username: 'bob', role: 'member', root: bob.keys.signingFp, joinedAt: position }
    ],
    head,
    sequence: 2,
    sessionKeyId: body.key.id,
    key: head,
    rekeyRequired: false,
    messageTtl: 0,
    lastPosition: position
  })
  const { data } = await stream.waitFor(({ event }) => event === 'conversation.created')
  t.strictSame(data, {
    position,
    conversationId: body.id,
    kind: 'group',
    items: [...body.statements, body.key.statement]
  })
  t.match(await show(bob, body.id), { role: 'member', members: [{}, {}] })
})

t.test('A repeated creation is confirmed again, also after the chain has moved on', async (t) => {
  const body = await creation(alice, 'group', ['bob'])
  const first = expect(await create(alice, body), 201)
  t.strictSame(expect(await create(alice, body), 201).body, first.body)
  expect(await change(alice, body.id, [['add', await member(alice, 'carol')]]), 201)
  t.match(expect(await create(alice, body), 201).body, { conversation: { id: body.id, memberCount: 3 } })
  const stream = await alice.live()
  expect(await create(alice, body), 201)
  expect(await newKey(alice, body.id), 201)
  await stream.waitFor(({ event }) => event === 'conversation.chain')
  t.notOk(
    stream.received.some(({ event }) => event === 'conversation.created'),
    'a repeat makes no event'
  )
})

t.test('An id belongs to the content that came with it first', async (t) => {
  const body = await creation(alice, 'group', ['bob'])
  expect(await create(alice, body), 201)
  const other = await creation(alice, 'group', ['carol'], { id: body.id })
  const foreign = await creation(carol, 'group', [], { id: body.id })
  const sameKey = await creation(alice, 'group', ['carol'], { keyId: body.key.id })
  const theirKey = await creation(carol, 'group', [], { keyId: body.key.id })
  await target.refuses(t, [
    ['another content', '409 id-conflict', () => create(alice, other)],
    ['somebody else’s conversation', '409 id-conflict', () => create(carol, foreign)],
    ['the id of an older session key', '409 id-conflict', () => create(alice, sameKey)],
    ['the id of a stranger’s session key', '409 id-conflict', () => create(carol, theirKey)]
  ])
})

t.test('A request to create can go on with changes before its key', async (t) => {
  const view = { id: randomUUID(), members: new Map(), states: new Map(), sequence: 0, head: '-' }
  const body = await chainRequest(alice, view, [
    ['create', ['kind', 'group'], await member(alice, 'alice', 'admin'), await member(alice, 'bob')],
    ['add', await member(alice, 'carol')],
    ['role', await member(alice, 'bob', 'admin')],
    ['timer', ['message-ttl', 3600]]
  ])
  expect(await create(alice, { id: view.id, ...body }), 201)
  t.match(await show(carol, view.id), {
    sequence: 5,
    messageTtl: 3600,
    members: [
      { username: 'alice', role: 'admin' },
      { username: 'bob', role: 'admin' },
      { username: 'carol', role: 'member' }
    ]
  })
})

t.test('Two users have one direct conversation, until the lines of both are stale', async (t) => {
  const [dora, emil] = [await target.user('dora'), await target.user('emil')]
  const id = await found(dora, 'direct', [emil])
  const again = async (by: InteropClient, other: string) => create(by, await creation(by, 'direct', [other]))
  const exists = { conversationId: id }
  await target.refuses(t, [
    ['a second one', '409 direct-exists', () => again(dora, 'emil'), exists],
    ['one from the other side', '409 direct-exists', () => again(emil, 'dora'), exists]
  ])
  const dora2 = await reset(dora)
  await target.refuses(t, [
    ['one while a line is current', '409 direct-exists', () => again(dora2, 'emil'), exists]
  ])
  const emil2 = await reset(emil)
  const body = await creation(dora2, 'direct', ['emil'])
  expect(await create(dora2, body), 201)
  t.not(body.id, id)
  await target.refuses(t, [
    ['a third one', '409 direct-exists', () => again(emil2, 'dora'), { conversationId: body.id }]
  ])
})

t.test('A user has one `self` conversation for each root, and it makes nobody a contact', async (t) => {
  const fred = await target.user('fred')
  const stream = await fred.live()
  const id = await found(fred, 'self')
  t.match(await show(fred, id), { kind: 'self', role: 'member', memberCount: 1 })
  await stream.waitFor(({ event, data }) => event === 'conversation.created' && data['kind'] === 'self')
  const seen = await alice.raw<Page<unknown>>('GET', '/v1/presence?user=fred')
  t.strictSame(expect(seen, 200).body.items, [])
  await target.refuses(t, [
    [
      'another one',
      '409 self-exists',
      async () => create(fred, await creation(fred, 'self', [])),
      { conversationId: id }
    ],
    ['one of two', '400 invalid-statement', async () => create(fred, await creation(fred, 'self', ['bob']))],
    ['leaving', '403 forbidden', () => leave(fred, id)],
    ['a member', '403 forbidden', async () => change(fred, id, [['add', await member(fred, 'bob')]])],
    ['a timer', '403 forbidden', () => change(fred, id, [['timer', ['message-ttl', 60]]])]
  ])
  expect(await newKey(fred, id), 201)
  const fred2 = await reset(fred)
  t.not(await found(fred2, 'self'), id)
})
