import { randomUUID } from 'node:crypto'
import { eq, sql } from 'drizzle-orm'
import t from 'tap'
import { dropWraps } from '../../../../src/server/chains/wraps.js'
import { addedWraps, sessionKeyWraps } from '../../../../src/server/db/schema.js'
import { startTarget } from '../../../support/bad-input.js'
import { chainRequest, readChain } from '../../../support/chain-requests.js'
import { change, envelope, found, member, newKey, post, say, show } from '../../../support/conversations.js'
import { expect, type Page } from '../../../support/interop/http.js'
import type { Statement } from '../../../support/interop/chains.js'
import type { InteropClient } from '../../../support/interop/client.js'

interface Item {
  id: string
  statement: Statement
  wrappedKey?: string
  added: { wrappedKey: string; statement: Statement }[]
  createdAt: string
}

const target = await startTarget(t)
const { db } = target.services
const [alice, bob] = [await target.user('alice'), await target.user('bob')]
const keysOf = (id: string) => `/v1/conversations/${id}/session-keys`
const list = (by: InteropClient, id: string, query = '') => by.raw<Page<Item>>('GET', `${keysOf(id)}${query}`)
const read = (by: InteropClient, id: string, key: string) =>
  by.raw<{ sessionKey: Item }>('GET', `${keysOf(id)}/${key}`)

t.test('Each device gets the wrap that the maker made for it, with the key’s statement', async (t) => {
  const id = await found(alice, 'group', [bob])
  const { key } = await chainRequest(alice, await readChain(alice, id), [])
  expect(await post(alice, keysOf(id), key), 201)
  for (const user of [alice, bob]) {
    const { wrappedKey } = key.wraps.find(({ deviceId }) => deviceId === user.deviceId)!
    const { items, next } = expect(await list(user, id), 200).body
    t.equal(next, null)
    t.equal(items.length, 2, 'newest first')
    t.match(items[0], { id: key.id, statement: key.statement, wrappedKey, added: [] })
  }
})

t.test(
  'A session key read by its id, or the hash of its statement, is the same as in the list',
  async (t) => {
    const id = await found(alice, 'group', [bob])
    expect(await newKey(alice, id), 201)
    const { items } = expect(await list(bob, id), 200).body
    const { sessionKeyId, key } = await show(bob, id)
    t.equal(items[0]!.id, sessionKeyId)
    t.strictSame(expect(await read(bob, id, key), 200).body, { sessionKey: items[0] })
    for (const item of items)
      t.strictSame(expect(await read(bob, id, item.id), 200).body, { sessionKey: item })
    const pages: Item[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: Page<Item> = expect(
        await list(bob, id, `?limit=1${cursor && `&cursor=${cursor}`}`),
        200
      ).body
      pages.push(...page.items)
      cursor = page.next
    }
    t.strictSame(pages, items)
  }
)

t.test('A session key exists only for the devices that hold it', async (t) => {
  const id = await found(alice, 'group', [bob])
  const elsewhere = await found(alice, 'group')
  const { sessionKeyId: key, key: hash } = await show(alice, id)
  const tablet = await target.device('bob', { password: bob.password })
  expect(await tablet.login(false), 200)
  expect(await tablet.addDevice(bob.keys), 201)
  const stranger = await target.user('carol')
  const bare = await target.device('alice', { password: alice.password })
  expect(await bare.login(false), 200)
  const unknown = '404 session-key-not-found'
  await target.refuses(t, [
    ['a device without a wrap', unknown, () => read(tablet, id, key)],
    ['a device without a wrap, by hash', unknown, () => read(tablet, id, hash)],
    ['no such key', unknown, () => read(alice, id, randomUUID())],
    ['the key of another conversation', unknown, () => read(alice, elsewhere, key)],
    ['somebody else', '404 conversation-not-found', () => read(stranger, id, key)],
    ['a session without a device', '403 device-required', () => read(bare, id, key)],
    ['an id that is none', '400 invalid-request', () => read(alice, id, 'x')]
  ])
  t.strictSame(expect(await list(tablet, id), 200).body, { items: [], next: null })
})

t.test('A removed member reads the session keys of their time by id, and no later one', async (t) => {
  const dora = await target.user('dora')
  const id = await found(alice, 'group', [dora])
  const [then] = expect(await list(dora, id), 200).body.items
  expect(await change(alice, id, [['remove', ['member', 'dora']]]), 201)
  t.strictSame(expect(await read(dora, id, then!.id), 200).body, { sessionKey: then })
  const { sessionKeyId } = await show(alice, id)
  await target.refuses(t, [
    ['a later one', '404 conversation-not-found', () => read(dora, id, sessionKeyId)],
    ['all of them', '404 conversation-not-found', () => list(dora, id)]
  ])
  expect(await change(alice, id, [['add', await member(alice, 'dora')]]), 201)
  t.equal(expect(await list(dora, id), 200).body.items.length, 2, 'and none from the time in between')
})

t.test(
  'A wrap goes a year after its device has fetched it, and the device stays in the roster',
  async (t) => {
    const id = await found(alice, 'group', [bob])
    const { sessionKeyId } = await show(bob, id)
    const sweep = () => dropWraps(db, 365)
    const age = (days: number) =>
      db
        .update(sessionKeyWraps)
        .set({ fetchedAt: sql`${sessionKeyWraps.fetchedAt} - ${days}::int * interval '1 day'` })
        .where(eq(sessionKeyWraps.deviceId, bob.deviceId))
    await age(1000)
    await sweep()
    expect(await read(bob, id, sessionKeyId), 200)
    await age(364)
    await sweep()
    expect(await read(bob, id, sessionKeyId), 200)
    await age(2)
    await sweep()
    await target.refuses(t, [
      ['a wrap that is gone', '404 session-key-not-found', () => read(bob, id, sessionKeyId)]
    ])
    expect(await read(alice, id, sessionKeyId), 200)
    expect(await say(bob, id, await envelope(bob, id)), 201)
  }
)

t.test('The wraps of a device that is revoked go at once', async (t) => {
  const emil = await target.user('emil')
  const phone = await target.device('emil', { password: emil.password })
  expect(await phone.login(false), 200)
  expect(await phone.addDevice(emil.keys), 201)
  await found(alice, 'group', [emil])
  const stored = async () =>
    (await db.select().from(sessionKeyWraps).where(eq(sessionKeyWraps.deviceId, phone.deviceId))).length
  t.equal(await stored(), 1)
  expect(await emil.revoke(phone.deviceId), 200)
  t.equal(await stored(), 0)
  t.strictSame(await db.select().from(addedWraps), [])
})

t.test('A device finds its keys behind thousands that it has none of', async (t) => {
  const id = await found(alice, 'group', [bob])
  const { sessionKeyId } = await show(bob, id)
  await db.execute(sql`
    insert into session_keys (id, conversation_id, sequence, hash, maker_id, due)
    select gen_random_uuid(), ${id}::uuid, 10 + n, md5(n::text), ${alice.userId}::uuid, true
    from generate_series(1, 2500) n`)
  const read: Page<Item>[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: Page<Item> = expect(await list(bob, id, cursor && `?cursor=${cursor}`), 200).body
    read.push(page)
    cursor = page.next
  }
  t.strictSame(
    read.map(({ items }) => items.map((item) => item.id)),
    [[], [], [sessionKeyId]]
  )
})
