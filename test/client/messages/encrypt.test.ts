import t, { type Test } from 'tap'
import type { ChatClient } from '../../../src/client/client.js'
import type { SealedMessage } from '../../../src/client/types/messages.js'
import { failure, Listener, PASSWORD, registered, texts } from '../../support/chat-clients.js'
import { startChat } from '../../support/start-chat.js'

/** The requests of a user with an HTTP client, in a session of a device. */
async function byHand(url: string, { account }: ChatClient) {
  const { username, deviceId } = account!
  const call = async (path: string, body?: unknown, token?: string) => {
    const answer = await fetch(url + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
      ...(body !== undefined && { body: JSON.stringify(body) })
    })
    return {
      status: answer.status,
      body: (await answer.json()) as Record<string, string | undefined> & { items: unknown[] }
    }
  }
  const { body } = await call('/v1/auth/login', { username, password: PASSWORD, deviceId })
  return {
    post: ({ conversationId, message }: SealedMessage) =>
      call(`/v1/conversations/${conversationId}/messages`, message, body['accessToken']),
    history: async (conversationId: string): Promise<unknown[]> =>
      (await call(`/v1/conversations/${conversationId}/messages?after=0`, undefined, body['accessToken']))
        .body.items
  }
}

async function pair(t: Test) {
  const { url } = await startChat(t)
  const alice = await registered(t, url, 'alice')
  const bob = await registered(t, url, 'bob')
  const heard = new Listener(t, bob)
  await heard.first('connected')
  return { url, alice, bob, heard }
}

t.test('A sealed message, posted by other means, arrives like one that was sent', async (t) => {
  const { url, alice, heard } = await pair(t)
  const hand = await byHand(url, alice)
  const id = crypto.randomUUID()
  const one = await alice.seal({ username: 'bob' }, 'by hand', { id })
  t.equal(one.message.id, id)
  t.equal((await hand.post(one)).status, 201)
  const { digest } = await heard.message('by hand')
  await alice.send({ username: 'bob' }, 'sent')
  const two = await alice.seal({ username: 'bob' }, { type: 'reaction', ref: { id, digest }, text: '👍' })
  t.equal((await hand.post(two)).status, 201)
  await heard.message('sent')
  const reaction = await heard.first('message', ({ content }) => content.type === 'reaction')
  t.match(reaction, { n: 3, content: { ref: { id, digest }, text: '👍' } })
  t.strictSame(heard.texts(), ['by hand', 'sent'])
  t.notOk(heard.heard.some(({ type }) => type === 'withheld' || type === 'reordered'))
})

t.test('A sealed message that is never posted is missed by its receivers', async (t) => {
  const { alice, heard } = await pair(t)
  await alice.seal({ username: 'bob' }, 'kept back')
  await alice.send({ username: 'bob' }, 'sent')
  t.match(await heard.first('withheld'), { first: 1, last: 1, from: { username: 'alice' } })
  await heard.message('sent')
})

t.test('A message is sealed under the key that the server takes, whatever was used before', async (t) => {
  const { url, alice, bob, heard } = await pair(t)
  const hand = await byHand(url, alice)
  const before = await alice.seal({ username: 'bob' }, 'before')
  await bob.devices.rekey()
  t.match((await hand.post(before)).body, { type: /rekey-required$/ })
  const after = await alice.seal({ username: 'bob' }, 'after')
  t.not(after.message.sessionKeyId, before.message.sessionKeyId)
  t.equal((await hand.post(after)).status, 201)
  await heard.message('after')
})

t.test('A message fetched by other means is verified and opened', async (t) => {
  const { url, alice, bob } = await pair(t)
  const { conversationId } = await alice.send({ username: 'bob' }, 'hello')
  const [given] = await (await byHand(url, bob)).history(conversationId)
  const message = given as { ciphertext: string; position: number }
  t.match(await bob.open(message), [
    { type: 'message', own: false, content: { type: 'text', text: 'hello' } }
  ])
  t.match(await bob.open(message), [{ type: 'message' }], 'the same message at the same place is no attack')

  const ciphertext = `${message.ciphertext.startsWith('A') ? 'B' : 'A'}${message.ciphertext.slice(1)}`
  t.match(await bob.open({ ...message, ciphertext }), [
    { type: 'unreadable', reason: 'untrusted', error: { code: 'bad-signature' } }
  ])
  t.match(await bob.open({ ...message, position: message.position + 7 }), [
    { type: 'unreadable', reason: 'untrusted', error: { code: 'replayed-message' } }
  ])
  t.strictSame(await texts(bob, conversationId), ['hello'])
  for (const other of [null, [], 'hello', {}, { ...message, iv: 'short' }])
    t.match(await failure(bob.open(other)), { kind: 'usage', code: 'not-a-message' })
})
