import { randomUUID } from 'node:crypto'
import { eq } from 'drizzle-orm'
import t from 'tap'
import { MAX_MESSAGES_PER_KEY } from '../../../../src/protocol/messages.js'
import { sessionKeys } from '../../../../src/server/db/schema.js'
import { cheapKeys, startTarget } from '../../../support/bad-input.js'
import {
  change,
  envelope,
  found,
  leave,
  member,
  newKey,
  post,
  say,
  show
} from '../../../support/conversations.js'
import { operatorOf } from '../../../support/admin.js'
import { sha256Hex } from '../../../support/interop/crypto.js'
import { expect, problem, type Page } from '../../../support/interop/http.js'
import type { InteropClient } from '../../../support/interop/client.js'

const target = await startTarget(t)
const { db } = target.services
const [alice, bob, carol] = [await target.user('alice'), await target.user('bob'), await target.user('carol')]
const history = (by: InteropClient, id: string) =>
  by.raw<Page<Record<string, unknown>>>('GET', `/v1/conversations/${id}/messages?after=0`)

t.test('A message names the session key’s statement, in the stream, in a poll and in history', async (t) => {
  const id = await found(alice, 'group', [bob])
  const stream = await bob.live()
  const { body: page } = expect(await bob.poll('0'), 200)
  const message = await envelope(alice, id)
  const { position, createdAt } = expect(
    await say<{ position: number; createdAt: string }>(alice, id, message),
    201
  ).body
  const sender = { userId: alice.userId, username: 'alice', deviceId: alice.deviceId }
  const stored = { ...message, conversationId: id, position, sender, createdAt }
  t.strictSame((await stream.waitFor(({ event }) => event === 'message')).data, stored)
  t.strictSame(expect(await history(bob, id), 200).body.items, [stored])
  const { items } = expect(await bob.poll(page.cursor), 200).body
  t.strictSame(
    items.map(({ event, data }) => ({ event, data })),
    [{ event: 'message', data: stored }]
  )
})

t.test('A message is taken under the newest session key only', async (t) => {
  const id = await found(alice, 'group', [bob, carol])
  const older = await envelope(bob, id)
  const sent = await envelope(bob, id)
  const { body: receipt } = expect(await say(bob, id, sent), 201)
  expect(await newKey(alice, id), 201)
  const newer = await envelope(bob, id)
  const rekey = '409 rekey-required'
  await target.refuses(t, [
    ['the key before', rekey, () => say(bob, id, older)],
    ['its id with the hash of the newest', rekey, () => say(bob, id, { ...older, key: newer.key })],
    ['its hash with the id of the newest', rekey, () => say(bob, id, { ...newer, key: older.key })],
    ['a hash of nothing', rekey, () => say(bob, id, { ...newer, key: sha256Hex('x') })],
    ['a key of nobody', rekey, () => say(bob, id, { ...newer, sessionKeyId: randomUUID() })],
    ['no hash', '400 invalid-request', () => say(bob, id, { ...newer, key: undefined })],
    [
      'a hash in upper case',
      '400 invalid-request',
      () => say(bob, id, { ...newer, key: newer.key.toUpperCase() })
    ]
  ])
  t.strictSame(expect(await say(bob, id, sent), 200).body, receipt, 'a repeat is answered first')
  await target.refuses(t, [
    ['a repeat with another hash', '409 id-conflict', () => say(bob, id, { ...sent, key: newer.key })],
    ['a repeat in other words', '409 id-conflict', () => say(bob, id, { ...newer, id: sent.id })]
  ])
  expect(await say(bob, id, newer), 201)
})

t.test('Whatever outdates the key stops messages until there is a new one', async (t) => {
  const id = await found(alice, 'group', [bob, carol])
  const sent = await envelope(alice, id)
  expect(await say(alice, id, sent), 201)
  const outdated = async () => {
    t.equal((await show(alice, id)).rekeyRequired, true)
    t.equal(problem(await say(alice, id, await envelope(alice, id))), 'rekey-required')
    expect(await say(alice, id, sent), 200)
    expect(await newKey(alice, id), 201)
    expect(await say(alice, id, await envelope(alice, id)), 201)
  }
  expect(await leave(carol, id), 201)
  await outdated()
  expect(await bob.rekey(cheapKeys({ signing: bob.keys.signingPrivate })), 200)
  await outdated()
  const phone = await target.device('alice', { password: alice.password })
  expect(await phone.login(false), 200)
  expect(await phone.addDevice(alice.keys), 201)
  expect(await newKey(alice, id), 201)
  expect(await alice.revoke(phone.deviceId), 200)
  await outdated()
})

t.test('A session key takes a bounded number of messages', async (t) => {
  const id = await found(alice, 'group')
  const { sessionKeyId } = await show(alice, id)
  const count = (messageCount: number) =>
    db.update(sessionKeys).set({ messageCount }).where(eq(sessionKeys.id, sessionKeyId))
  await count(MAX_MESSAGES_PER_KEY - 1)
  expect(await say(alice, id, await envelope(alice, id)), 201)
  t.equal(problem(await say(alice, id, await envelope(alice, id))), 'rekey-required')
  expect(await newKey(alice, id), 201)
  expect(await say(alice, id, await envelope(alice, id)), 201)
})

t.test('Only a device in the roster sends, and no recovery device', async (t) => {
  const backup = await target.device('bob', { password: bob.password, purpose: 'recovery' })
  expect(await backup.login(false), 200)
  expect(await backup.addDevice(bob.keys), 201)
  expect(await backup.login(), 200)
  const id = await found(alice, 'group', [bob])
  const stranger = await target.user('dora')
  await target.refuses(t, [
    ['a recovery device', '403 forbidden', async () => say(backup, id, await envelope(backup, id))],
    ['a key by a recovery device', '403 forbidden', () => newKey(backup, id)],
    ['a stranger', '404 conversation-not-found', async () => say(stranger, id, await envelope(alice, id))]
  ])
  const late = await target.device('bob', { password: bob.password })
  expect(await late.login(false), 200)
  expect(await late.addDevice(bob.keys), 201)
  expect(await late.login(), 200)
  await target.refuses(t, [
    ['a device that came later', '403 not-in-roster', async () => say(late, id, await envelope(late, id))]
  ])
})

t.test('Former members get the messages of their time, and none of later', async (t) => {
  const id = await found(alice, 'group', [bob])
  const stream = await bob.live()
  const first = await envelope(alice, id)
  expect(await say(alice, id, first), 201)
  expect(await change(alice, id, [['remove', ['member', 'bob']]]), 201)
  expect(await say(alice, id, await envelope(alice, id)), 201)
  expect(await change(alice, id, [['add', await member(alice, 'bob')]]), 201)
  const last = await envelope(bob, id)
  expect(await say(bob, id, last), 201)
  const messages = () => stream.received.filter(({ event }) => event === 'message')
  await stream.until(() => messages().length === 2)
  const ids = [first.id, last.id]
  t.strictSame(
    messages().map(({ data }) => data['id']),
    ids
  )
  t.strictSame(
    expect(await history(bob, id), 200).body.items.map((one) => one['id']),
    ids
  )
})

t.test('A page of history ends before 1 MiB, and the next one goes on', async (t) => {
  for (const [bytes, count, fitting] of [
    [65_536, 15, 11],
    [3900, 200, 180]
  ] as const) {
    const id = await found(alice, 'group', [bob])
    const ciphertext = Buffer.alloc(bytes).toString('base64')
    const template = await envelope(alice, id)
    const messages = Array.from({ length: count }, () => ({ ...template, id: randomUUID(), ciphertext }))
    for (let from = 0; from < count; from += 10) {
      const body = { messages: messages.slice(from, from + 10) }
      expect(await post(alice, `/v1/conversations/${id}/messages/batch`, body), 200)
    }
    const ids = messages.map((message) => message.id)
    for (const [query, order] of [
      ['after=0&limit=200', ids],
      ['limit=200', [...ids].reverse()]
    ] as const) {
      const page = async (query: string) => {
        const path = `/v1/conversations/${id}/messages?${query}`
        const { body, headers } = expect(await bob.raw<Page<{ id: string }>>('GET', path), 200)
        t.ok(Number(headers['content-length']) <= 2 ** 20, `${headers['content-length']} bytes`)
        return body
      }
      const { items, next } = await page(query)
      t.equal(items.length, fitting)
      const rest = await page(`cursor=${next}`)
      t.equal(rest.next, null)
      t.strictSame(
        [...items, ...rest.items].map((one) => one.id),
        order
      )
    }
  }
})

t.test('A message that was purged meanwhile is answered as sent, once and again', async (t) => {
  const id = await found(alice, 'group', [bob])
  const message = await envelope(alice, id)
  const { body: receipt } = expect(await say(alice, id, message), 201)
  expect(await operatorOf(target)('DELETE', `/messages/${message.id}`), 204)
  t.strictSame(expect(await say(alice, id, message), 200).body, receipt)
  const other = await envelope(bob, id)
  t.equal(problem(await say(bob, id, { ...other, id: message.id })), 'id-conflict', 'its id stays taken')
  const { body } = await history(alice, id)
  const { createdAt: _, ...place } = receipt as { createdAt: string }
  t.match(body, { items: [], deleted: [{ ...place, key: message.key, sender: { username: 'alice' } }] })
})
