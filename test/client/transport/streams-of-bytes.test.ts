import t from 'tap'
import { all, registered, texts } from '../../support/chat-clients.js'
import { startChat } from '../../support/start-chat.js'

t.test('A client works in a browser that cannot iterate a stream', async (t) => {
  const { url } = await startChat(t)
  let seen = 0
  const withoutIteration: typeof fetch = async (input, init) => {
    const response = await fetch(input, init)
    if (response.body === null) return response
    seen++
    for (const name of [Symbol.asyncIterator, 'values'])
      Object.defineProperty(response.body, name, { value: undefined })
    return response
  }
  const alice = await registered(t, url, 'alice', { fetch: withoutIteration })
  const bob = await registered(t, url, 'bob')
  const { conversationId } = await alice.send({ username: 'bob' }, 'hello')
  await bob.send(conversationId, 'hello yourself')
  t.strictSame(await texts(alice, conversationId), ['hello', 'hello yourself'])
  t.equal((await all(alice.export())).filter(({ event }) => event === 'message').length, 2)
  t.ok(seen > 5)
})
