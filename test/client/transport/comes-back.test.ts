import { sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { MemoryStore } from '../../../src/client/index.js'
import { sessions } from '../../../src/server/db/schema.js'
import { client, failure, link, Listener, PASSWORD, registered } from '../../support/chat-clients.js'
import { advanceClocks } from '../../support/clocks.js'
import { startChat } from '../../support/start-chat.js'
import { tamperingProxy } from '../../support/tampering-proxy.js'

const HOUR_MS = 3_600_000
const env = { ACCESS_TOKEN_LIFETIME: '86400', SESSION_TIMEOUT: '3600', STREAM_LIFETIME: '86400' }
const chat = await startChat(t, env)
const proxy = await tamperingProxy(t, chat.url)
const bob = await registered(t, chat.url, 'bob')

/** An hour goes by, on all clocks. */
async function anHour(t: Test): Promise<void> {
  advanceClocks(t, HOUR_MS)
  await chat.services.db.update(sessions).set({ expiresAt: sql`now() - interval '1 second'` })
}

/** The device log-ins from now on. */
function counted(): { count: number } {
  const seen = { count: 0 }
  proxy.tamper({ loses: ({ path }) => path === '/v1/auth/device-login' && seen.count++ < 0 })
  return seen
}

t.test('A client that was idle for too long goes on, and asks nobody for a password', async (t) => {
  const alice = await registered(t, proxy.url, 'alice')
  const logins = counted()
  await anHour(t)
  const [session, ...others] = await alice.sessions.list()
  t.match(session, { method: 'device', current: true })
  t.strictSame(others, [])
  t.equal(logins.count, 1)
  await alice.sessions.list()
  t.equal(logins.count, 1)
})

t.test('A stream goes on when the session under it has idled out', async (t) => {
  const carol = await registered(t, proxy.url, 'carol')
  const listener = new Listener(t, carol)
  await listener.first('connected')
  const { conversationId } = await bob.send({ username: 'carol' }, 'before')
  await listener.message('before')
  await anHour(t)
  await listener.first('disconnected')
  await bob.send(conversationId, 'after')
  await listener.message('after')
  t.equal(carol.account?.loggedIn, true)
})

t.test('Two tabs come back at once, with one session, and both live', async (t) => {
  const store = new MemoryStore()
  const tabs = [await registered(t, proxy.url, 'dave', { store }), await client(t, proxy.url, { store })]
  const listeners = tabs.map((tab) => new Listener(t, tab))
  for (const listener of listeners) await listener.first('connected')
  const logins = counted()
  await anHour(t)
  await Promise.all(tabs.map((tab) => tab.conversations.list()))
  const { conversationId } = await bob.send({ username: 'dave' }, 'to both')
  for (const listener of listeners) await listener.message('to both')
  for (const tab of tabs) await tab.send(conversationId, 'an answer')
  t.equal(logins.count, 1)
  t.equal((await tabs[0]!.sessions.list()).length, 1)
})

t.test('A sign-in whose answer is lost is made again with another nonce', async (t) => {
  const erin = await registered(t, proxy.url, 'erin')
  await anHour(t)
  let lost = 0
  proxy.tamper({ loses: ({ path }) => path === '/v1/auth/device-login' && lost++ === 0 })
  t.match((await erin.sessions.list())[0], { method: 'device', current: true })
  t.equal(lost, 2)
})

t.test('A log-out stays one, here and by another device, until the person logs in', async (t) => {
  const here = await registered(t, chat.url, 'frank')
  const phone = await client(t, chat.url)
  await link(here, phone)
  const listener = new Listener(t, phone)
  await listener.first('connected')
  const [ofPhone] = (await here.sessions.list()).filter(({ current }) => !current)
  await here.sessions.end(ofPhone!.id)
  t.match(await failure(listener.first('timer')), { kind: 'logged-out' })
  t.equal(phone.account?.loggedIn, false)
  t.match(await failure(phone.sessions.list()), { kind: 'logged-out' })
  await phone.login({ username: 'frank', password: PASSWORD })

  await here.logout()
  t.match(await failure(here.sessions.list()), { kind: 'logged-out' })
  await here.login({ username: 'frank', password: PASSWORD })
  await anHour(t)
  for (const device of [here, phone]) t.match((await device.sessions.list())[0], { method: 'device' })
})

t.test('A server that passes on the challenge of another one gets no session there', async (t) => {
  const other = await startChat(t, { PUBLIC_URL: 'https://chat.example.org' })
  // It shows the client everything as the other one does, the challenge too.
  const relay = await tamperingProxy(t, other.url)
  const grace = await registered(t, relay.url, 'grace')
  for (const { id } of await other.services.db.delete(sessions).returning())
    other.services.sessions.forget(id)
  t.match(await failure(grace.sessions.list()), { kind: 'logged-out' })
  t.equal(await other.services.db.$count(sessions), 0)
})
