import t from 'tap'
import { startTarget } from '../../../support/bad-input.js'
import { chainRequest, readChain } from '../../../support/chain-requests.js'
import { change, found, hashOf, leaving, member, newKey, post, show } from '../../../support/conversations.js'
import { type Statement } from '../../../support/interop/chains.js'
import { sha256Hex } from '../../../support/interop/crypto.js'
import { expect, problem, type Page } from '../../../support/interop/http.js'

const target = await startTarget(t)
const [alice, bob, carol, dave] = [
  await target.user('alice'),
  await target.user('bob'),
  await target.user('carol'),
  await target.user('dave')
]
const chainOf = (id: string) => `/v1/conversations/${id}/chain`
type ChainPage = Page<Statement> & { head: string; lastPosition: number }
const readPage = (id: string, query = '') => alice.raw<ChainPage>('GET', `${chainOf(id)}?${query}`)

t.test('A request that does not extend the head gets the newer statements', async (t) => {
  const id = await found(alice, 'group', [bob, carol])
  const view = await readChain(alice, id)
  const late = await chainRequest(alice, view, [['add', await member(alice, 'dave')]])
  const newer = await chainRequest(bob, view, [])
  expect(await post(bob, `/v1/conversations/${id}/session-keys`, newer.key), 201)
  const statement = await leaving(carol, id)
  expect(await post(carol, chainOf(id), { statements: [statement] }), 201)
  const answer = await post<{ instance: string }>(alice, chainOf(id), late)
  t.match(answer, {
    status: 409,
    body: {
      type: '/problems/stale-chain',
      head: hashOf(statement.text),
      sequence: 4,
      statements: [newer.key.statement, statement],
      next: null
    }
  })
  const forked = { ...(await readChain(alice, id)), head: sha256Hex('x') }
  const other = await chainRequest(alice, forked, [['add', await member(alice, 'dave')]])
  await target.refuses(t, [
    ['another statement before', '409 stale-chain', () => post(alice, chainOf(id), other), { sequence: 4 }]
  ])
})

t.test('`If-Match` is compared before the body is read', async (t) => {
  const id = await found(alice, 'group', [bob])
  const before = await readChain(alice, id)
  const made = expect(await newKey(bob, id), 201).body
  const body = await chainRequest(alice, await readChain(alice, id), [['add', await member(alice, 'carol')]])
  const send = (etag: string, given: unknown = body) => post(alice, chainOf(id), given, { 'if-match': etag })
  const { items } = expect(await readPage(id), 200).body
  const stale = '409 stale-chain'
  await target.refuses(t, [
    [
      'an older head, with a body that is no JSON',
      stale,
      () => send(`"${before.head}"`, '{'),
      { head: made.head, sequence: 3, statements: items.slice(2), next: null }
    ],
    ['a head that is none', stale, () => send('"x"'), { head: made.head, statements: [], next: null }],
    ['a weak tag', stale, () => send(`W/"${made.head}"`)],
    ['no tag', '400 invalid-request', () => send(made.head)],
    [
      'a stranger’s conversation, before its body',
      '404 conversation-not-found',
      () => post(carol, chainOf(id), '{', { 'if-match': '"x"' })
    ]
  ])
  expect(await send(`"${before.head}", "${made.head}"`), 201)
  const leaves = [await leaving(bob, id)]
  const etag = `"${(await readChain(bob, id)).head}"`
  expect(await post(bob, chainOf(id), { statements: leaves }, { 'if-match': etag }), 201)
})

t.test('The chain is read in pages of whole requests', async (t) => {
  const id = await found(alice, 'group', [bob])
  const [admin, plain] = [await member(alice, 'bob', 'admin'), await member(alice, 'bob')]
  for (let n = 0; n < 3; n++)
    expect(
      await change(alice, id, [
        ['role', admin],
        ['timer', ['message-ttl', n]],
        ['role', plain]
      ]),
      201
    )
  const whole = expect(await readPage(id), 200).body
  t.equal(whole.items.length, 14)
  t.equal(whole.lastPosition, (await show(alice, id)).lastPosition)
  t.equal(whole.next, null)
  const ends = [2, 6, 10, 14]
  for (const limit of [1, 2, 3, 5, 9, 14]) {
    const read: Statement[] = []
    for (let after: string | null = '0'; after !== null;) {
      const page: ChainPage = expect(await readPage(id, `after=${after}&limit=${limit}`), 200).body
      const { items, next, head } = page
      t.equal(head, whole.head)
      t.ok(ends.includes(read.length + items.length), 'a page ends with a request')
      t.ok(items.length <= Math.max(limit, 4))
      read.push(...items)
      after = next
    }
    t.strictSame(read, whole.items, `limit ${limit}`)
  }
  t.strictSame(expect(await readPage(id, 'after=14'), 200).body, { ...whole, items: [] })
  t.strictSame(expect(await readPage(id, 'cursor=10'), 200).body.items, whole.items.slice(10))
})

t.test('For a former member the chain ends with the request that removed them', async (t) => {
  const id = await found(alice, 'group', [bob, carol])
  const send = (by: typeof alice, after = 0) => by.raw('GET', `${chainOf(id)}?after=${after}`)
  expect(await post(carol, chainOf(id), { statements: [await leaving(carol, id)] }), 201)
  const left = expect(await readPage(id), 200).body
  t.strictSame(expect(await send(carol), 200).body, left, 'the leave is the last statement')
  expect(await newKey(bob, id), 201)
  expect(
    await change(alice, id, [
      ['remove', ['member', 'bob']],
      ['timer', ['message-ttl', 60]]
    ]),
    201
  )
  const removed = expect(await readPage(id), 200).body
  expect(await newKey(alice, id), 201)
  t.strictSame(expect(await send(carol), 200).body, left)
  t.strictSame(expect(await send(carol, 99), 200).body, { ...left, items: [] })
  t.strictSame(expect(await send(bob), 200).body, removed, 'the whole request is shown')
  t.strictSame(expect(await send(bob, 4), 200).body, { ...removed, items: removed.items.slice(4) })
  expect(await change(alice, id, [['add', await member(alice, 'carol')]]), 201)
  const now = expect(await readPage(id), 200).body
  t.strictSame(expect(await send(carol), 200).body, now, 'who comes back sees the whole chain')
  expect(await change(alice, id, [['remove', ['member', 'carol']]]), 201)
  const again = expect(await readPage(id), 200).body
  expect(await newKey(alice, id), 201)
  t.strictSame(expect(await send(carol), 200).body, again, 'up to the last going')
  t.equal(problem(await send(dave)), 'conversation-not-found')
})
