import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { eventually } from '../../support/eventually.js'
import { conversation, lastWord, user } from '../../support/people.js'
import { PlainStream, plainStream } from '../../support/plain-stream.js'
import { startChat } from '../../support/start-chat.js'
import { isDurable, type ChatEvent } from '../../support/interop/events.js'
import { expect, problem } from '../../support/interop/http.js'

interface EventPage {
  items: (ChatEvent & { cursor: string })[]
  cursor: string
}

const chat = await startChat(t, { STREAM_BUFFER: '16384' })
const alice = await user(t, chat, 'alice', { connections: 32 })
const bob = await user(t, chat, 'bob')
const id = await conversation(alice, [bob])
const idle = await plainStream(t, await user(t, chat, 'eve'))

const poll = (query: string, headers: Record<string, string> = {}) =>
  bob.raw<EventPage>('GET', `/v1/events/page?${query}`, { headers })

t.test('A stream first says how to reconnect, where it starts and which device it is for', async (t) => {
  const { body } = expect(await poll('after=0&limit=200'), 200)
  const stream = await plainStream(t, bob)
  const ready = { cursor: body.cursor, deviceId: bob.deviceId, keepaliveSeconds: 15 }
  t.equal(stream.text, `retry: 3000\n\nid: ${body.cursor}\nevent: ready\ndata: ${JSON.stringify(ready)}\n\n`)
  t.match(stream.headers, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store, no-transform',
    'x-accel-buffering': 'no',
    'x-content-type-options': 'nosniff'
  })
  stream.leave()
})

t.test(
  'Durable events and `ready` have the cursor after them as id, and what only happens now has none',
  async (t) => {
    const carol = await user(t, chat, 'carol')
    expect(await carol.newKey(await conversation(carol, [alice])), 201)
    const stream = await alice.live({ after: '0' })
    const online = await carol.live()
    await stream.waitFor(({ event }) => event === 'presence', 'presence')
    const ended = lastWord(online)
    expect(await carol.logout(), 204)
    await ended
    const events = [...stream.received, ...online.received]
    const ephemeral = events.filter((event) => event.id === undefined).map(({ event }) => event)
    t.strictSame([...new Set(ephemeral)].sort(), ['presence', 'session.ended'])
    const durable = events.filter(isDurable)
    t.strictSame(
      [...new Set(durable.map(({ event }) => event))],
      ['conversation.created', 'conversation.chain']
    )
    for (const { id, data } of durable) t.match(id, new RegExp(`^[0-9a-z]{8}-${String(data['position'])}$`))
    stream.close()
  }
)

t.test('The stream and the page have an address each, whatever a client accepts', async (t) => {
  const accepted = ['*/*', 'application/json', 'text/event-stream', 'text/html'].map((accept) => ({ accept }))
  for (const headers of [...accepted, {}]) {
    const page = expect(await poll('', headers), 200)
    t.equal(page.headers['content-type'], 'application/json; charset=utf-8', JSON.stringify(headers))
    t.match(page.headers['cache-control'], /no-store/)
    const stream = await plainStream(t, bob, headers)
    t.equal(stream.headers['content-type'], 'text/event-stream; charset=utf-8', JSON.stringify(headers))
    stream.leave()
  }
})

t.test('A standard EventSource resumes from its very first frame, also from `reset`', async (t) => {
  for (const options of [{}, { after: '00000000-5' }]) {
    const stream = await bob.live({ ...options, resume: false })
    stream.cut()
    await stream.over()
    const first = stream.received.find(({ event }) => event === 'reset') ?? stream.received[0]!
    const { position } = expect(await alice.send(id, 'while it was away'), 201).body
    const again = bob.events({ lastEventId: first.id!, resume: false })
    await again.waitFor(({ data }) => data['position'] === position, 'what came meanwhile')
    t.notOk(again.received.some(({ event }) => event === 'reset'))
    again.close()
  }
})

t.test('A poll reads the same events by the same cursor, as many as it asks for', async (t) => {
  for (let i = 0; i < 5; i++) expect(await alice.send(id, `message ${i}`), 201)
  const whole = expect(await poll('after=0&limit=200'), 200).body
  const stream = await bob.live({ after: '0' })
  await stream.until(() => stream.durable().length === whole.items.length)
  t.strictSame(
    whole.items.map(({ cursor, event, data }) => ({ id: cursor, event, data })),
    stream.durable()
  )
  stream.close()
  t.equal(whole.cursor, whole.items.at(-1)!.cursor)

  const read: EventPage['items'] = []
  for (let after = '0'; ;) {
    const { items, cursor } = expect(await poll(`after=${after}&limit=2`), 200).body
    if (items.length === 0) break
    t.ok(items.length <= 2)
    read.push(...items)
    after = cursor
  }
  t.strictSame(read, whole.items)
})

t.test(
  'A poll with `wait` answers at once when there is something, and else with the first event',
  async (t) => {
    const { body } = expect(await poll('after=0&limit=200'), 200)
    const last = body.items.at(-1)!
    const before = body.items.at(-2)!.cursor
    t.strictSame(expect(await poll(`after=${before}&wait=45`), 200).body.items, [last])
    const waiting = poll(`after=${body.cursor}&wait=45`)
    await eventually(() => chat.services.hub.count === 2)
    const { body: sent } = expect(await alice.send(id, 'first'), 201)
    const first = expect(await waiting, 200).body
    t.match(first, { items: [{ event: 'message', data: { id: sent.id } }], cursor: first.items[0]!.cursor })
    t.strictSame(expect(await poll(`after=${first.cursor}&wait=1`), 200).body, {
      items: [],
      cursor: first.cursor
    })
  }
)

t.test('A client that leaves is removed, whether it reads or waits', async (t) => {
  const { hub } = chat.services
  const { body } = expect(await poll('after=0&limit=200'), 200)
  const reading = await plainStream(t, bob)
  const path = `/v1/events/page?wait=45&after=${body.cursor}`
  const waiting = new PlainStream(chat.url, bob.accessToken!, {}, path)
  await eventually(() => hub.count === 3)
  for (const gone of [reading, waiting]) gone.leave()
  await eventually(() => hub.count === 1, 'one stream is left')
  t.equal(hub.usersIn([id]).size, 0)
})

t.test('A cursor of another epoch or from the future gets `reset`, and the stream continues', async (t) => {
  const { body } = expect(await poll('after=0&limit=1'), 200)
  const [epoch] = body.cursor.split('-') as [string]
  const other = epoch === 'aaaaaaaa' ? 'bbbbbbbb' : 'aaaaaaaa'
  for (const cursor of [`${other}-3`, `${epoch}-999999`]) {
    const stream = await plainStream(t, bob, { 'last-event-id': cursor })
    await stream.says('event: reset\ndata: {"position":1}\n\n', `id: ${body.cursor}\n`)
    t.match(
      stream.text,
      /id: (\S+)\nevent: ready\n.*\n\nid: \1\nevent: reset\n.*\n\nid: /,
      'before all that is kept'
    )
    stream.leave()
    const page = expect(await poll(`after=${cursor}&limit=1&wait=45`), 200).body
    t.match(page.items, [{ event: 'reset', data: { position: 1 } }, body.items[0]])
  }
  for (const cursor of ['', 'a', `${epoch}-`, `${epoch}--1`, `${epoch}-1.5`]) {
    const answer = await bob.raw('GET', '/v1/events', { headers: { 'last-event-id': cursor } })
    t.equal(`${answer.status} ${problem(answer)}`, '400 invalid-cursor', cursor)
  }
})

t.test('A reader that stalls loses nothing, and the server buffers little for it', async (t) => {
  const { hub } = chat.services
  const sockets: Socket[] = []
  chat.app.server.prependListener('connection', (socket: Socket) => sockets.push(socket))
  const slow = await plainStream(t, bob)
  const gone = await plainStream(t, bob)
  const [ofSlow, ofGone] = sockets as [Socket, Socket]
  for (const stream of [slow, gone]) stream.stopReading()
  const sent: string[] = []
  const text = 'x'.repeat(4000)
  let most = 0
  const writer = async () => {
    while (sent.length < 3000) {
      const sealed = alice.seal(id, text)
      sent.push(sealed.id)
      expect(await alice.post(id, sealed), 201)
      most = Math.max(most, ofSlow.writableLength)
    }
  }
  await Promise.all(Array.from({ length: 32 }, writer))
  t.ok(ofSlow.writableNeedDrain, 'its socket is full')
  t.ok(slow.text.length < 2 ** 20, 'and it has not read')
  // The buffer's limit, and one delivery or page more.
  t.ok(most < 2 ** 20, `${most} bytes were buffered at most, of ${3000 * 4000} and more`)
  t.ok(ofGone.writableNeedDrain)
  gone.leave()
  await eventually(() => hub.count === 2, 'who leaves while he stalls is forgotten')

  const behind = await bob.live()
  sent.push(expect(await alice.send(id, 'one more'), 201).body.id)
  await behind.waitFor(({ event }) => event === 'message')
  t.pass('a reader that keeps up is not held back')
  behind.close()

  slow.readOn()
  await eventually(() => slow.text.slice(-8000).includes(`"id":"${sent.at(-1)}"`), 'the last message')
  const messages = slow.text.match(/^data: \{"id":"[^"]+".*?"position":\d+/gm) ?? []
  const ids = messages.map((line) => line.slice('data: {"id":"'.length).split('"', 1)[0]!)
  const positions = messages.map((line) => Number(/"position":(\d+)/.exec(line)![1]))
  t.strictSame([...ids].sort(), [...sent].sort(), 'each message once')
  t.ok(
    positions.every((position, i) => i === 0 || position === positions[i - 1]! + 1),
    'in order'
  )
  slow.leave()
})

t.test('At most MAX_CLIENTS streams are open at a time', async (t) => {
  const small = await startChat(t, { MAX_CLIENTS: '2' })
  const carol = await user(t, small, 'carol')
  const dave = await user(t, small, 'dave')
  const open = [await carol.live({ resume: false }), await dave.live({ resume: false })]
  const { body } = expect(await carol.poll('0'), 200)
  for (const request of [
    () => dave.raw('GET', '/v1/events', { headers: { accept: 'text/event-stream' } }),
    () => dave.poll(body.cursor, 45)
  ]) {
    const answer = await request()
    t.match(answer, {
      status: 503,
      headers: { 'content-type': 'application/problem+json; charset=utf-8', 'retry-after': '5' },
      body: { type: '/problems/too-many-streams', status: 503 }
    })
  }
  expect(await dave.poll(body.cursor), 200)
  open[0]!.close()
  await eventually(() => small.services.hub.count === 1)
  open[0] = await dave.live({ resume: false })
  t.pass('and there is room again when one has closed')
  for (const stream of open) stream.close()
  await eventually(() => small.services.hub.count === 0)
})

t.test('A stream ends after STREAM_LIFETIME, and is resumed without losing an event', async (t) => {
  const brief = await startChat(t, { STREAM_LIFETIME: '1' })
  const carol = await user(t, brief, 'carol')
  const room = await conversation(carol, [])
  const stream = await carol.live()
  const sent: string[] = []
  while (stream.connections < 3) {
    sent.push(expect(await carol.send(room, 'hello'), 201).body.id)
    await sleep(10)
  }
  const ids = () => stream.durable().map(({ data }) => String(data['id']))
  await stream.until(() => ids().length >= sent.length)
  t.strictSame(ids(), sent)
  t.notOk(stream.received.some(({ event }) => event === 'session.ended' || event === 'reset'))
  stream.close()
})

t.test('A stream without events carries a comment every 15 seconds', async (t) => {
  await eventually(() => /^: /m.test(idle.text), 'a comment')
  t.match(idle.text, /\n\n: [^\n]*\n\n/)
})
