import t from 'tap'
import { cheapKeys } from '../../../support/bad-input.js'
import type { Statement } from '../../../support/interop/chains.js'
import { fingerprint } from '../../../support/interop/crypto.js'
import { expect, type UserAnswer } from '../../../support/interop/http.js'
import type { InteropClient } from '../../../support/interop/client.js'
import { user } from '../../../support/people.js'
import { SignedChain } from '../../../support/signed-chain.js'
import { startChat } from '../../../support/start-chat.js'

const chat = await startChat(t)
const reader = await user(t, chat, 'reader')

interface Item {
  username: string
  head: string
  items: Statement[]
  keys: string[]
}
interface ChainPage {
  items: Item[]
  next: string | null
}

/** Registers a user whose chain has this many statements. */
async function grown(name: string, length: number): Promise<SignedChain> {
  const client = await user(t, chat, name)
  const chain = new SignedChain(client)
  while (chain.statements.length < length) {
    const device = chain.add()
    if (chain.statements.length < length) chain.revoke(device)
  }
  for (let sequence = 1; sequence < length; sequence += 100)
    expect(
      await chain.post(reader, sequence, {
        statements: chain.statements.slice(sequence, sequence + 100),
        keys: keysOf(chain, sequence)
      }),
      201
    )
  return chain
}

/** The keys for 100 statements: those of their devices. */
function keysOf(chain: SignedChain, sequence: number) {
  const named = chain.statements.slice(sequence, sequence + 100).map(({ text }) => text)
  return chain.keysAfter(sequence).filter(({ device }) => named.some((text) => text.includes(device)))
}

const chains = async (users: { username: string; after: number }[], cursor?: string) => {
  const query = cursor === undefined ? '' : `?cursor=${cursor}`
  return expect(await reader.raw<ChainPage>('POST', `/v1/users/chains${query}`, { body: { users } }), 200)
    .body
}

async function allChains(users: { username: string; after: number }[]): Promise<ChainPage[]> {
  const pages = [await chains(users)]
  for (let next = pages[0]!.next; next !== null; next = pages.at(-1)!.next)
    pages.push(await chains(users, next))
  return pages
}

const signersOf = (statements: readonly Statement[]) =>
  [...new Set(statements.flatMap(({ signatures }) => Object.keys(signatures)))].sort()
const prints = (keys: readonly string[]) => keys.map(fingerprint).sort()

const long = await grown('long', 250)
const short = await grown('short', 3)
const rest: InteropClient[] = []
for (let n = 0; n < 5; n++) rest.push(await user(t, chat, `user${n}`))

t.test('A profile shows the chain in pages, each with the keys that verify it', async (t) => {
  const page = async (query = '') =>
    expect(await reader.raw<UserAnswer>('GET', `/v1/users/long${query}`), 200).body
  const first = await page()
  t.equal(first.chain.items.length, 100)
  t.equal(first.chain.next, '100')
  t.strictSame(prints(first.chain.keys), signersOf(first.chain.items))
  t.strictSame((await page('?after=100&limit=200')).chain.items, long.after(100))
  const last = await page('?after=240&limit=10')
  t.strictSame(last.chain.items, long.after(240))
  t.equal(last.chain.next, null)
  t.strictSame(prints(last.chain.keys), signersOf(last.chain.items))
  t.equal(last.chain.head, long.head)
  t.strictSame((await page('?after=250')).chain, { head: long.head, items: [], keys: [], next: null })
  const verified = await reader.user('long')
  t.equal(verified.sequence, 250, 'and a client that follows the pages verifies all of it')
})

t.test('The new statements of many users come in one answer', async (t) => {
  const users = [
    { username: 'short', after: 1 },
    { username: 'nobody', after: 0 },
    { username: 'user0', after: 0 },
    { username: 'user1', after: 1 },
    { username: 'long', after: 250 },
    { username: 'user2', after: 1000 }
  ]
  const { items, next } = await chains(users)
  t.equal(next, null)
  t.strictSame(
    items.map(({ username, items }) => `${username} ${items.length}`),
    ['short 2', 'user0 1', 'user1 0', 'long 0', 'user2 0'],
    'in the order of the request, and nothing of users who do not exist'
  )
  t.strictSame(items[0]!.items, short.after(1))
  t.equal(items[0]!.head, short.head)
  for (const { items: statements, keys } of items) t.strictSame(prints(keys), signersOf(statements))
})

t.test('A page of chains is bounded, and the next one goes on inside a chain', async (t) => {
  const users = [
    { username: 'user0', after: 0 },
    { username: 'long', after: 10 },
    { username: 'short', after: 0 },
    { username: 'long', after: 0 },
    { username: 'long', after: 100 },
    { username: 'user1', after: 0 },
    { username: 'user2', after: 5 }
  ]
  const pages = await allChains(users)
  const counts = pages.map(({ items }) => items.map(({ username, items }) => `${username} ${items.length}`))
  t.strictSame(counts, [
    ['user0 1', 'long 240', 'short 3', 'long 250', 'long 18'],
    ['long 132', 'user1 1', 'user2 0']
  ])
  t.strictSame([...pages[0]!.items[4]!.items, ...pages[1]!.items[0]!.items], long.after(100))
  for (const { items } of pages)
    for (const { items: statements, keys } of items) t.strictSame(prints(keys), signersOf(statements))
  t.ok(JSON.stringify(pages[0]).length < 600_000, 'some half a MiB')
})

t.test('A page that ends with a chain is followed by the next chain, or by none', async (t) => {
  const exact = [
    { username: 'long', after: 0 },
    { username: 'long', after: 0 },
    { username: 'long', after: 238 }
  ]
  t.equal((await chains(exact)).next, null)
  const pages = await allChains([...exact, { username: 'user0', after: 1 }])
  t.equal(pages.length, 2)
  t.strictSame(
    pages[1]!.items.map(({ username, items }) => [username, items]),
    [['user0', []]]
  )
})

t.test('Two hundred users cost ten requests', async (t) => {
  const limited = await startChat(t, { RATE_LIMIT: 'on', RATE_LIMIT_READ: '25' })
  const someone = await user(t, limited, 'someone', { keys: cheapKeys() })
  const users = Array.from({ length: 200 }, () => ({ username: 'someone', after: 1 }))
  const ask = () => someone.raw('POST', '/v1/users/chains', { body: { users } })
  const statuses = [await ask(), await ask(), await ask()].map(({ status }) => status)
  t.strictSame(statuses, [200, 200, 429])
  const { headers } = await ask()
  t.match(headers['retry-after'], /^[1-9][0-9]?$/)
})

t.test('A refusal shows the first page of what the client has missed', async (t) => {
  const client = await user(t, chat, 'late')
  const chain = new SignedChain(client)
  for (let n = 0; n < 60; n++) chain.revoke(chain.add())
  const post = async (sequence: number, end: number) => {
    const statements = chain.statements.slice(sequence, end)
    return expect(await chain.post(reader, sequence, { statements, keys: keysOf(chain, sequence) }), 201)
  }
  await post(1, 101)
  await post(101, 121)
  const late = new SignedChain(client)
  late.revoke(late.first)
  const refused = await client.raw<Record<string, unknown>>(
    'POST',
    `/v1/devices/${client.deviceId}/revocation`,
    {
      body: { statement: late.statements[1] }
    }
  )
  t.match(refused.body, { type: '/problems/stale-chain', sequence: 121, head: chain.head, next: '101' })
  t.strictSame(refused.body['statements'], chain.statements.slice(1, 101))
})
