import t from 'tap'
import type { ActiveSession } from '../../../src/server/access/sessions.js'
import type { OpenStream } from '../../../src/server/streaming/open-stream.js'
import { eventually } from '../../support/eventually.js'
import { anotherSession, sessionId, user } from '../../support/people.js'
import { plainStream } from '../../support/plain-stream.js'
import { startChat } from '../../support/start-chat.js'

const env = { RATE_LIMIT: 'on', TRUST_PROXY: '127.0.0.1' }

for (const limit of ['MAX_CLIENTS_PER_USER', 'MAX_CLIENTS_PER_DEVICE'])
  t.test(`A stream beyond ${limit} takes the place of the oldest one`, async (t) => {
    const chat = await startChat(t, { ...env, [limit]: '2' })
    const alice = await user(t, chat, 'alice')
    const again = await anotherSession(t, alice)
    const bob = await user(t, chat, 'bob')
    const [first, second] = [await plainStream(t, alice), await plainStream(t, again)]
    const ofBob = await plainStream(t, bob)
    const third = await plainStream(t, alice)
    await eventually(() => first.over, 'the oldest one has ended')
    t.match(first.text, /\n\nretry: 60000\n\n$/, 'its client does not hurry to come back')
    t.notOk(second.over || third.over || ofBob.over, 'the others go on')
    t.equal(chat.services.hub.count, 3)
  })

t.test('A device without a stream takes the place of the oldest one of its user', async (t) => {
  const chat = await startChat(t, { ...env, MAX_CLIENTS_PER_USER: '2' })
  const { hub, sessions } = chat.services
  const alice = await user(t, chat, 'alice')
  const session = (await sessions.find(sessionId(alice)))!
  const ended: string[] = []
  const open = (name: string, of: ActiveSession) => {
    const stream: OpenStream = {
      session: of,
      network: '127.0.0.1',
      through: 0,
      deliver: () => undefined,
      announce: () => undefined,
      tick: () => undefined,
      end(reason) {
        ended.push(`${name} ${reason}`)
        hub.remove(stream)
      }
    }
    hub.requireCapacity(stream)
    hub.add(stream)
  }
  open('phone', { ...session, deviceId: 'phone' })
  open('laptop', { ...session, deviceId: 'laptop' })
  open('laptop again', { ...session, deviceId: 'laptop' })
  open('tablet', { ...session, deviceId: 'tablet' })
  t.strictSame(ended, ['laptop replaced', 'phone replaced'])
})

t.test('One network cannot take all streams: beyond MAX_CLIENTS_PER_NETWORK it is refused', async (t) => {
  const chat = await startChat(t, { ...env, MAX_CLIENTS_PER_NETWORK: '2', MAX_CLIENTS_PER_USER: '2' })
  const [alice, bob, carol] = [
    await user(t, chat, 'alice'),
    await user(t, chat, 'bob'),
    await user(t, chat, 'carol')
  ]
  const from = (address: string) => ({ 'x-forwarded-for': address })
  const streams = [
    await plainStream(t, alice, from('2001:db8::1')),
    await plainStream(t, bob, from('2001:db8::2'))
  ]
  const refused = await carol.raw('GET', '/v1/events', {
    headers: { accept: 'text/event-stream', ...from('2001:db8::3') }
  })
  t.match(refused, {
    status: 429,
    body: { type: '/problems/too-many-requests', detail: /Your network has 2 open streams.* room when/ },
    headers: { 'retry-after': '5' }
  })
  await plainStream(t, carol, from('2001:db8:0:1::1'))
  streams[0]!.leave()
  await eventually(() => chat.services.hub.count === 2)
  await plainStream(t, carol, from('2001:db8::3'))
  t.notOk(streams[1]!.over)
})
