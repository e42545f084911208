import t from 'tap'
import { startTarget } from '../../../support/bad-input.js'
import { chainRequest, creation, readChain, type Change } from '../../../support/chain-requests.js'
import {
  change,
  found,
  hashOf,
  leave,
  leaving,
  member,
  newKey,
  post,
  show,
  type ChainReceipt
} from '../../../support/conversations.js'
import { signed, type Statement } from '../../../support/interop/chains.js'
import { expect, problem } from '../../../support/interop/http.js'
import type { InteropClient } from '../../../support/interop/client.js'

const target = await startTarget(t)
const [alice, bob, carol, dave] = [
  await target.user('alice'),
  await target.user('bob'),
  await target.user('carol'),
  await target.user('dave')
]
const chainOf = (id: string) => `/v1/conversations/${id}/chain`

t.test('A request is applied as a whole, with one event', async (t) => {
  const id = await found(alice, 'group', [bob])
  const [inside, added] = [await bob.live(), await dave.live()]
  const view = await readChain(alice, id)
  const body = await chainRequest(alice, view, [
    ['add', await member(alice, 'carol')],
    ['add', await member(alice, 'dave', 'admin')],
    ['remove', ['member', 'bob']],
    ['role', await member(alice, 'carol', 'admin')],
    ['timer', ['message-ttl', 86_400]]
  ])
  const receipt = expect(await post<ChainReceipt>(alice, chainOf(id), body), 201).body
  const items = [...body.statements, body.key.statement]
  t.strictSame(receipt, {
    head: hashOf(body.key.statement.text),
    sequence: 8,
    lastPosition: (await show(alice, id)).lastPosition
  })
  const event = { position: receipt.lastPosition, conversationId: id, sequence: 8, items }
  for (const stream of [inside, added]) {
    const { data } = await stream.waitFor((one) => one.event === 'conversation.chain')
    t.strictSame(data, event)
  }
  t.match(await show(dave, id), {
    head: receipt.head,
    key: receipt.head,
    sessionKeyId: body.key.id,
    memberCount: 3,
    messageTtl: 86_400,
    members: [
      { username: 'alice', role: 'admin' },
      { username: 'carol', role: 'admin' },
      { username: 'dave', role: 'admin' }
    ]
  })
})

t.test('A request that stands in the chain is confirmed again before any other judgement', async (t) => {
  const id = await found(alice, 'group', [bob])
  const before = await readChain(alice, id)
  const add = await chainRequest(alice, before, [['add', await member(alice, 'carol')]])
  const first = expect(await post(alice, chainOf(id), add), 201).body
  expect(await change(alice, id, [['remove', ['member', 'carol']]]), 201)
  t.strictSame(expect(await post(alice, chainOf(id), add), 201).body, first, 'after the chain has moved on')
  const { key } = await chainRequest(alice, await readChain(alice, id), [])
  const alone = expect(await post(alice, `/v1/conversations/${id}/session-keys`, key), 201).body
  expect(await change(alice, id, [['role', await member(alice, 'bob', 'admin')]]), 201)
  t.strictSame(expect(await post(alice, `/v1/conversations/${id}/session-keys`, key), 201).body, alone)

  const statements = [await leaving(bob, id)]
  const left = expect(await post(bob, chainOf(id), { statements }), 201).body
  t.strictSame(expect(await post(bob, chainOf(id), { statements }), 201).body, left, 'after leaving')
  const other = await leaving(bob, id, alice)
  t.equal(problem(await post(bob, chainOf(id), { statements: [other] })), 'conversation-not-found')
})

t.test('A request holds changes with the key that follows, or one leave', async (t) => {
  const id = await found(alice, 'group', [bob, carol])
  const view = await readChain(alice, id)
  const { statements, key } = await chainRequest(alice, view, [['remove', ['member', 'bob']]])
  const lone = await chainRequest(alice, view, [])
  const left = await leaving(carol, id)
  const send = (by: InteropClient, body: unknown) => post(by, chainOf(id), body)
  const [admin, plain] = [await member(alice, 'bob', 'admin'), await member(alice, 'bob')]
  const many = (count: number): Change[] =>
    Array.from({ length: count }, (_, n) => ['role', n % 2 === 0 ? admin : plain])
  const tooMany = await chainRequest(alice, view, many(101))
  const invalid = '400 invalid-statement'
  await target.refuses(t, [
    ['changes without a key', '409 key-required', () => send(alice, { statements })],
    ['a key before its changes', '409 stale-chain', () => send(alice, { statements, key: lone.key })],
    ['a leave with a key', invalid, () => send(carol, { statements: [left], key: lone.key })],
    ['two leaves', invalid, () => send(carol, { statements: [left, left] })],
    ['a leave after a change', '409 key-required', () => send(alice, { statements: [...statements, left] })],
    ['a key among the statements', invalid, () => send(alice, { statements: [lone.key.statement] })],
    ['no statements', '400 invalid-request', () => send(alice, { statements: [], key })],
    ['more than 100 changes', '400 invalid-request', () => send(alice, tooMany)],
    [
      'the key of another conversation',
      invalid,
      async () => {
        const { key: foreign } = await creation(alice, 'group', [])
        return send(alice, { statements, key: foreign })
      }
    ],
    ['another id for the key', invalid, () => send(alice, { statements, key: { ...key, id: lone.key.id } })],
    [
      'a member of the body that is unknown',
      '400 invalid-request',
      () => send(alice, { statements, key, force: true })
    ]
  ])
  expect(await send(alice, await chainRequest(alice, view, many(100))), 201)
})

t.test('One device signs the whole request', async (t) => {
  const id = await found(alice, 'group', [bob])
  const view = await readChain(alice, id)
  const { statements, key } = await chainRequest(alice, view, [['timer', ['message-ttl', 60]]])
  const send = (body: { statements: unknown; key: unknown }, by = alice) => post(by, chainOf(id), body)
  const { text } = key.statement
  const keyed = (statement: Statement) => ({ statements, key: { ...key, statement } })
  const byBob = await chainRequest(alice, view, [['timer', ['message-ttl', 60]]], { signer: bob.keys })
  await target.refuses(t, [
    ['a stranger’s signature on the key', '400 invalid-signature', () => send(keyed(signed(text, bob.keys)))],
    [
      'a stranger’s signature too',
      '400 invalid-signature',
      () => send(keyed(signed(text, alice.keys, bob.keys)))
    ],
    [
      'a stranger’s signature on a change',
      '400 invalid-signature',
      () => send({ statements: [signed(statements[0]!.text, bob.keys)], key })
    ],
    ['another device as signer', '400 invalid-statement', () => send(byBob), /by/],
    ['another’s request', '400 invalid-statement', () => send({ statements, key }, bob), /by/]
  ])
})

t.test('A member who has left gets the events until then, and the key is out of date at once', async (t) => {
  const id = await found(alice, 'group', [bob, carol])
  const [aliceLive, bobLive] = [await alice.live(), await bob.live()]
  const { head, lastPosition } = expect(await leave(bob, id), 201).body
  for (const stream of [aliceLive, bobLive])
    t.match((await stream.waitFor(({ event }) => event === 'conversation.chain')).data, {
      position: lastPosition,
      sequence: 3
    })
  t.match(await show(alice, id), { head, memberCount: 2, rekeyRequired: true })
  expect(await newKey(alice, id), 201)
  t.match(await show(carol, id), { rekeyRequired: false })
  const next = expect(await change(alice, id, [['add', await member(alice, 'bob')]]), 201).body
  const seen = () => bobLive.received.filter(({ event }) => event === 'conversation.chain')
  await bobLive.until(() => seen().length === 2)
  t.strictSame(
    seen().map(({ data }) => data['position']),
    [lastPosition, next.lastPosition],
    'nothing of the time in between'
  )
})
