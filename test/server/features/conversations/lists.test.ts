import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { rows } from '../../../../src/server/db/rows.js'
import { startTarget } from '../../../support/bad-input.js'
import { cheapKem } from '../../../support/cheap-keys.js'
import { chainRequest, creation, currentUser, readChain } from '../../../support/chain-requests.js'
import { change, found, leave, member, post, show, type Shown } from '../../../support/conversations.js'
import { crowd } from '../../../support/crowd.js'
import type { Statement } from '../../../support/interop/chains.js'
import { expect, problem, type Answer, type Page } from '../../../support/interop/http.js'
import type { InteropClient } from '../../../support/interop/client.js'

/** Bytes that an answer has at most. */
const MIB = 2 ** 20

const target = await startTarget(t)
const { db } = target.services
const [alice, bob] = [await target.user('alice'), await target.user('bob')]
const others = await crowd(db, 1000, { kemKey: cheapKem() })
const known = new Map(others)
for (const name of ['alice', 'bob']) known.set(name, await currentUser(alice, name))

/** A group with hundreds of members. */
async function large(by: InteropClient, members: number): Promise<string> {
  const names = [...others.keys()].slice(0, members - 1)
  const body = await creation(by, 'group', names, { known })
  expect(await post(by, '/v1/conversations', body), 201)
  return body.id
}

/** As if these users' chains had another statement. */
async function extendChains(pattern: string): Promise<void> {
  const moved = await rows<{ username: string; sequence: number; head: string }>(
    db,
    sql`
update users set chain_sequence = chain_sequence + 1,
  chain_head = encode(sha256(convert_to(chain_head, 'UTF8')), 'hex')
where username like ${pattern} returning username, chain_sequence as sequence, chain_head as head`
  )
  for (const { username, ...state } of moved) known.set(username, { ...known.get(username)!, ...state })
}

async function pages<T>(by: InteropClient, path: string): Promise<Page<T>[]> {
  const read: Page<T>[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const query: string =
      cursor === '' ? '' : `${path.includes('?') ? '&' : '?'}cursor=${encodeURIComponent(cursor)}`
    const answer = expect(await by.raw<Page<T>>('GET', `${path}${query}`), 200)
    const { body, headers }: Answer<Page<T>> = answer
    t.ok(Number(headers['content-length']) <= MIB, `${headers['content-length']} bytes`)
    read.push(body)
    cursor = body.next
  }
  return read
}

const group = await large(alice, 1000)

t.test('A conversation shows 50 members, and pages the rest in the order in which they joined', async (t) => {
  expect(await change(alice, group, [['add', await member(alice, 'bob')]], { known }), 201)
  const names = ['alice', ...[...others.keys()].slice(0, 999), 'bob']
  const shown = await show(bob, group)
  t.equal(shown.memberCount, 1001)
  t.strictSame(
    shown.members.map(({ username }) => username),
    names.slice(0, 50)
  )
  const path = `/v1/conversations/${group}/members`
  for (const limit of [50, 200]) {
    const read = (await pages<Shown['members'][number]>(bob, `${path}?limit=${limit}`)).flatMap(
      ({ items }) => items
    )
    t.strictSame(
      read.map(({ username }) => username),
      names
    )
    t.strictSame(read.slice(0, 50), shown.members)
  }
  expect(await leave(bob, group), 201)
  t.equal((await show(alice, group)).memberCount, 1000)
})

t.test('A roster is read in pages under one tag, which changes with every head', async (t) => {
  const id = await large(alice, 600)
  const path = `/v1/conversations/${id}/roster`
  interface RosterPage extends Page<never> {
    head: string
    key: string
    members: { username: string; chain: { sequence: number; head: string }; devices: { kemKey: string }[] }[]
  }
  const read = async () => {
    const tags = new Set<string>()
    const members: RosterPage['members'] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const query: string = cursor && `?cursor=${cursor}`
      const { body, headers } = expect(await alice.raw<RosterPage>('GET', `${path}${query}`), 200)
      t.ok(Number(headers['content-length']) <= MIB, `${headers['content-length']} bytes`)
      tags.add(headers['etag']!)
      members.push(...body.members)
      cursor = body.next
    }
    t.equal(tags.size, 1)
    return { etag: [...tags][0]!, members }
  }
  const { etag, members } = await read()
  t.strictSame(
    members.map(({ username, chain, devices }) => [username, chain.head, devices.length]),
    ['alice', ...[...others.keys()].slice(0, 599)].map((name) => [name, known.get(name)!.head, 1])
  )
  const ask = (tag: string, query = '') =>
    alice.raw('GET', `${path}${query}`, { headers: { 'if-none-match': tag } })
  const unchanged = expect(await ask(etag), 304)
  t.equal(unchanged.headers['etag'], etag)
  expect(await ask(etag, '?cursor=1-5'), 304)

  await extendChains('crowd0598')
  const moved = await read()
  t.not(moved.etag, etag)
  expect(await ask(etag), 200)
  expect(await change(alice, id, [['timer', ['message-ttl', 1]]], { known }), 201)
  t.not((await read()).etag, moved.etag)
  await target.refuses(t, [
    ['a cursor that is none', '400 invalid-cursor', () => alice.raw('GET', `${path}?cursor=x`)]
  ])
})

t.test('A page of conversations is bounded by the members that it shows', async (t) => {
  const ids = [group]
  for (let n = 0; n < 45; n++) ids.unshift(await large(bob, 60))
  for (let n = 0; n < 20; n++) ids.unshift(await found(bob, 'group'))
  ids.pop()
  const read = await pages<Shown>(bob, '/v1/conversations?limit=200')
  t.strictSame(
    read.map(({ items }) => items.length),
    [20 + 4, 5, 5, 5, 5, 5, 5, 5, 5, 1],
    '250 members'
  )
  t.strictSame(
    read.flatMap(({ items }) => items.map(({ id }) => id)),
    ids
  )
  const some = await pages<Shown>(bob, '/v1/conversations?limit=13')
  t.strictSame(
    some.flatMap(({ items }) => items),
    read.flatMap(({ items }) => items)
  )
})

t.test('Pages of a chain and of session keys are bounded by bytes', async (t) => {
  const id = await large(alice, 900)
  for (let n = 0; n < 12; n++) {
    await extendChains('crowd%')
    const { key } = await chainRequest(alice, await readChain(alice, id), [], { known })
    expect(await post(alice, `/v1/conversations/${id}/session-keys`, key), 201)
  }
  const read = await pages<Statement>(alice, `/v1/conversations/${id}/chain`)
  t.ok(read.length > 1)
  t.equal(read.flatMap(({ items }) => items).length, 14)
  const keys = await pages<{ id: string }>(alice, `/v1/conversations/${id}/session-keys?limit=200`)
  t.ok(keys.length > 1)
  t.equal(keys.flatMap(({ items }) => items).length, 13)
})

t.test('A refusal names no more than 1,000 devices of a sort, however many are wrong', async (t) => {
  const id = await large(alice, 1001)
  const { key } = await chainRequest(alice, await readChain(alice, id), [], { known })
  const { wrappedKey } = key.wraps[0]!
  const wraps = Array.from({ length: 16_384 }, () => ({ deviceId: randomUUID(), wrappedKey }))
  const answer = await post(alice, `/v1/conversations/${id}/session-keys`, { ...key, wraps })
  t.equal(problem(answer), 'stale-roster')
  const { missing, unexpected } = answer.body as { missing: string[]; unexpected: string[] }
  t.strictSame(
    unexpected,
    wraps.slice(0, 1000).map(({ deviceId }) => deviceId)
  )
  t.equal(missing.length, 1000)
  t.ok(Number(answer.headers['content-length']) < MIB / 10)
})
