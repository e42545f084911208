import t from 'tap'
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
