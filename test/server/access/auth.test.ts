import { randomUUID } from 'node:crypto'
import t from 'tap'
import { startChat } from '../../support/start-chat.js'
import { InteropClient } from '../../support/interop/client.js'

const chat = await startChat(t)
const [alice, bob] = [await chat.user('alice'), await chat.user('bob')]
const { id } = await alice.createConversation('group', ['bob'])

t.test('A session without a device reads the account, and no conversation', async (t) => {
  const phone = await InteropClient.create(chat.url, 'alice', { keys: alice.keys })
  t.teardown(() => phone.close())
  t.equal((await phone.login(false)).status, 200)
  for (const path of ['/users/me', '/devices', '/auth/sessions', '/users/bob'])
    t.equal((await phone.raw('GET', `/v1${path}`)).status, 200, path)
  for (const path of [
    '/conversations',
    `/conversations/${id}`,
    `/conversations/${id}/chain`,
    `/conversations/${id}/roster`,
    `/conversations/${id}/session-keys`,
    `/conversations/${id}/messages`,
    '/presence?user=bob',
    '/events'
  ]) {
    const { status, body } = await phone.raw<{ type: string }>('GET', `/v1${path}`)
    t.strictSame([status, body.type], [403, '/problems/device-required'], path)
  }
})

t.test('A large body of tiny values is refused before it is parsed', async (t) => {
  const wraps = `{"wraps":[${'{},'.repeat(2_000_000)}{}]}`
  const answer = await fetch(`${chat.url}/v1/conversations/${id}/session-keys/${randomUUID()}/wraps`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bob.accessToken}`, 'content-type': 'application/json' },
    body: wraps
  })
  t.equal(answer.status, 413)
})
