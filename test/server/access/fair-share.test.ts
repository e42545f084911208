import { connect, type AddressInfo } from 'node:net'
import t from 'tap'
import { eventually } from '../../support/eventually.js'
import { cheapKeys } from '../../support/bad-input.js'
import { InteropClient } from '../../support/interop/client.js'
import { conversation, user } from '../../support/people.js'
import { expect, problem } from '../../support/interop/http.js'
import { startChat } from '../../support/start-chat.js'

/** Calls are answered in some milliseconds, unless they wait. */
const SOON_MS = 1500
const WAITING = 100

t.test('One user’s calls take a share of the time: further ones wait, and hold up nobody else', async (t) => {
  const chat = await startChat(t, { RATE_LIMIT: 'on', RATE_LIMIT_SHARE: '1' })
  const alice = await user(t, chat, 'alice', { connections: WAITING + 200 })
  const bob = await chat.user('bob')
  const id = await conversation(alice, [bob])
  const list = (by = alice) => by.raw('GET', '/v1/conversations')
  const time = async (call: Promise<unknown>): Promise<number> => {
    const since = performance.now()
    await call
    return performance.now() - since
  }
  const first = await list()
  expect(first, 200)
  const calls = Array.from({ length: WAITING + 200 }, () => list())
  const refused = await Promise.any(
    calls.map(async (call) => {
      const answer = await call
      if (answer.status === 200) throw new Error('it was answered')
      return answer
    })
  )
  t.equal(problem(refused), 'too-many-requests')
  t.ok(Number(refused.headers['retry-after']) >= 1)
  t.ok((await time(list(bob))) < SOON_MS, 'another user does not wait')
  t.ok((await time(alice.send(id, 'at once'))) < SOON_MS, 'sends do not wait')
  const stream = await alice.live()
  t.ok(stream, 'nor do streams')
  stream.close()
  alice.close()
  await Promise.allSettled(calls)
})

t.test('Polls, slow uploads and calls that were given up keep no place', async (t) => {
  const chat = await startChat(t, { RATE_LIMIT: 'on' })
  const alice = await user(t, chat, 'alice', { connections: WAITING })
  const { port } = chat.app.server.address() as AddressInfo
  const head = ['POST /v1/conversations HTTP/1.1', 'Host: chat', `Authorization: Bearer ${alice.accessToken}`]
  const type = ['Content-Type: application/json', 'Content-Length: 60000', '', '{']
  const slow = Array.from({ length: 8 }, () => connect(port, '127.0.0.1'))
  for (const socket of slow) socket.on('error', () => undefined).write([...head, ...type].join('\r\n'))
  const gone = new AbortController()
  const polls = Array.from({ length: 8 }, () =>
    fetch(`${chat.url}/v1/events/page?wait=45`, {
      headers: { authorization: `Bearer ${alice.accessToken}` },
      signal: gone.signal
    }).catch(() => undefined)
  )
  const since = performance.now()
  for (let n = 0; n < 20; n++) expect(await alice.raw('GET', '/v1/users/me'), 200)
  t.ok(performance.now() - since < 20 * SOON_MS)
  gone.abort()
  for (const socket of slow) socket.destroy()
  await Promise.all(polls)
})

t.test(
  'The devices of a user take turns, calls that were given up are forgotten, and a revocation waits for none',
  async (t) => {
    const chat = await startChat(t, { RATE_LIMIT: 'on', RATE_LIMIT_SHARE: '10' })
    const alice = await user(t, chat, 'alice')
    const thief = await InteropClient.create(chat.url, 'alice', {
      keys: cheapKeys(),
      password: alice.password
    })
    t.teardown(() => thief.close())
    expect(await thief.login(false), 200)
    expect(await thief.addDevice(alice.keys), 201)
    expect(await thief.login(), 200)
    const authorization = `Bearer ${thief.accessToken}`
    const asThief = async (signal: AbortSignal) => {
      const answer = await fetch(`${chat.url}/v1/conversations`, { headers: { authorization }, signal })
      return answer.status
    }
    const end = new AbortController()
    const flood = Array.from({ length: 3 * WAITING }, () => asThief(end.signal).catch(() => 0))
    t.equal(
      await Promise.any(
        flood.map(async (status) => ((await status) === 429 ? 429 : Promise.reject(new Error())))
      ),
      429
    )
    expect(await alice.raw('GET', '/v1/devices'), 200)
    end.abort()
    await Promise.all(flood)
    await eventually(
      async () => (await asThief(new AbortController().signal)) === 200,
      'those who left are forgotten'
    )
    const since = performance.now()
    expect(await alice.revoke(thief.deviceId), 200)
    t.ok(performance.now() - since < SOON_MS)
  }
)
