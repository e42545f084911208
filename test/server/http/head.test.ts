import t from 'tap'
import { user } from '../../support/people.js'
import { startChat } from '../../support/start-chat.js'

const chat = await startChat(t, { RATE_LIMIT: 'on', RATE_LIMIT_READ: '30' })

t.test('HEAD answers as GET does, without the body', async (t) => {
  const alice = await user(t, chat, 'alice')
  const token = { authorization: `Bearer ${alice.accessToken}` }
  const open = [
    '/healthz',
    '/readyz',
    '/docs',
    '/docs/json',
    '/openapi.json',
    '/',
    '/problems/not-found',
    '/v1/server'
  ]
  const withToken = ['/v1/users/me', '/v1/devices', '/v1/conversations']
  for (const path of [...open, ...withToken]) {
    const [get, head] = await Promise.all(
      ['GET', 'HEAD'].map((method) => fetch(chat.url + path, { method, headers: token }))
    )
    t.equal(head!.status, 200, path)
    t.equal(head!.headers.get('content-type'), get!.headers.get('content-type'), path)
    t.equal(await head!.text(), '')
    await get!.arrayBuffer()
  }
  const stream = await fetch(`${chat.url}/v1/events`, { method: 'HEAD', headers: token })
  t.equal(stream.status, 404, 'a stream has no end')
})

t.test('HEAD of a health check is never refused; elsewhere it counts as GET', async (t) => {
  const head = (path: string) => fetch(chat.url + path, { method: 'HEAD' })
  for (let i = 0; i < 35; i++) t.equal((await head('/healthz')).status, 200)
  const statuses: number[] = []
  for (let i = 0; i < 31; i++) statuses.push((await head('/v1/server')).status)
  t.equal(statuses.at(-1), 429)
})
