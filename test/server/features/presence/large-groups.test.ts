import t from 'tap'
import { conversation, user } from '../../../support/people.js'
import { startChat } from '../../../support/start-chat.js'
import { expect } from '../../../support/interop/http.js'

interface Statuses {
  items: { username: string; online: boolean }[]
}

t.test('In a group that is too large nobody is told who comes, but who asks learns it', async (t) => {
  const chat = await startChat(t, { PRESENCE_GROUP: '2' })
  const [alice, bob, carol] = await Promise.all(['alice', 'bob', 'carol'].map((name) => user(t, chat, name)))
  await conversation(alice!, [bob!, carol!])
  await conversation(alice!, [carol!])
  const stream = await alice!.live()
  const bobs = await bob!.live()
  const carols = await carol!.live()
  const event = await stream.waitFor((one) => one.event === 'presence', 'presence')
  t.match(event.data, { username: 'carol', online: true }, 'of a direct conversation')
  const named = stream.received.filter((one) => one.event === 'presence').map(({ data }) => data)
  t.strictSame(named, [event.data])
  const asked = await alice!.raw<Statuses>('GET', '/v1/presence?user=bob&user=carol')
  t.strictSame(
    expect(asked, 200).body.items.map(({ online }) => online),
    [true, true]
  )
  for (const one of [stream, bobs, carols]) one.close()
})

t.test('Those who come together are told together', async (t) => {
  const chat = await startChat(t)
  const people = await Promise.all(['dora', 'emil', 'fred'].map((name) => user(t, chat, name)))
  const [dora, ...others] = people
  await conversation(dora!, others)
  const stream = await dora!.live()
  const streams = await Promise.all(others.map((other) => other.live()))
  const times = await Promise.all(
    others.map(async ({ username }) => {
      const isAbout = ({ event, data }: { event: string; data: Record<string, unknown> }) =>
        event === 'presence' && data['username'] === username
      return (await stream.waitFor(isAbout, username)).data['at']
    })
  )
  t.equal(new Set(times).size, 1, times.join())
  for (const one of [stream, ...streams]) one.close()
})
