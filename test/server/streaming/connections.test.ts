import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { eventually } from '../../support/eventually.js'
import { conversation, user } from '../../support/people.js'
import { startChat } from '../../support/start-chat.js'
import { expect } from '../../support/interop/http.js'

const chat = await startChat(t)
const { hub } = chat.services
const alice = await user(t, chat, 'alice')
const id = await conversation(alice, [])
const head = `HTTP/1.1\r\nhost: chat\r\nauthorization: Bearer ${alice.accessToken}\r\n`
const me = `GET /v1/users/me ${head}\r\n`
const events = `GET /v1/events ${head}\r\n`

/** A connection and all that has come on it. */
function open(t: Test): { socket: Socket; text: () => string; says: (what: string) => Promise<void> } {
  const socket = connect({ port: Number(new URL(chat.url).port), host: '127.0.0.1', allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  let all = ''
  socket.setEncoding('utf8').on('data', (text: string) => (all += text))
  socket.on('error', () => undefined)
  return { socket, text: () => all, says: (what) => eventually(() => all.includes(what), what) }
}

const answers = (text: string) => text.match(/HTTP\/1\.1 \d+/g)
const isLive = async (says: (what: string) => Promise<void>) => {
  const { body } = expect(await alice.send(id, 'hello'), 201)
  await says(body.id)
}
t.afterEach(() => eventually(() => hub.count === 0))

t.test(
  'A stream starts on a connection that was kept alive, and outlives the keep-alive timeout',
  async (t) => {
    chat.app.server.keepAliveTimeout = 500
    const { socket, text, says } = open(t)
    socket.write(me)
    await says('"username":"alice"')
    socket.write(events)
    await says('event: ready')
    const idle = open(t)
    const idleClosed = once(idle.socket, 'end')
    idle.socket.write(me)
    await idleClosed
    await isLive(says)
    t.strictSame(answers(text()), ['HTTP/1.1 200', 'HTTP/1.1 200'])
    socket.destroy()
  }
)

t.test('A stream that is requested behind other requests starts when they are answered', async (t) => {
  const { socket, text, says } = open(t)
  socket.write(`${me}${me}${events}`)
  await says('event: ready')
  t.strictSame(answers(text()), ['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 200'])
  t.ok(text().lastIndexOf('"username":"alice"') < text().indexOf('text/event-stream'))
  await isLive(says)
  socket.destroy()
})

t.test('Requests on the connection of a stream are neither read nor answered', async (t) => {
  const { socket, text, says } = open(t)
  socket.write(events)
  await says('event: ready')
  for (const more of [me, 'garbage\r\n\r\n', 'x'.repeat(2 ** 20)]) socket.write(more)
  await isLive(says)
  t.strictSame(answers(text()), ['HTTP/1.1 200'])
  socket.destroy()
})

t.test(
  'A client that sends more requests, or half a body, before its stream starts is cut off',
  async (t) => {
    const half = 'content-type: application/json\r\ncontent-length: 2\r\n\r\n{'
    for (const request of [`${events}${me}`, `GET /v1/events ${head}${half}`]) {
      const { socket } = open(t)
      const ended = new Promise((resolve) => socket.on('end', resolve).on('close', resolve))
      socket.write(request)
      await ended
      socket.destroy()
      await eventually(() => hub.count === 0)
    }
  }
)

t.test('A client that closes its half of a stream’s connection has left', async (t) => {
  const { socket, says } = open(t)
  socket.write(events)
  await says('event: ready')
  t.equal(hub.count, 1)
  const closed = new Promise((resolve) => socket.on('close', resolve))
  socket.end()
  await closed
  await eventually(() => hub.count === 0)
  t.equal(hub.usersIn([id]).size, 0)
})

t.test(
  'HTTP does not manage the connection of an open stream: neither a timeout nor `Connection: close` ends it',
  async (t) => {
    const { server } = chat.app
    const { socket, text, says } = open(t)
    socket.write(`GET /v1/events ${head}connection: close\r\n\r\n`)
    await says('event: ready')
    t.match(text(), /^connection: close\r$/im)
    server.closeIdleConnections()
    server.closeAllConnections()
    await sleep(100)
    await isLive(says)
    const connections = await new Promise((resolve) => server.getConnections((_, count) => resolve(count)))
    t.ok(Number(connections) >= 1, 'yet the server knows that it is open')
    socket.destroy()
  }
)

t.test('A request for a stream may have a body, which is ignored', async (t) => {
  const { socket, says } = open(t)
  socket.write(`GET /v1/events ${head}content-type: application/json\r\ncontent-length: 2\r\n\r\n{}`)
  await says('event: ready')
  await isLive(says)
  socket.destroy()
})

t.test('A client that disconnects while its stream is being opened leaves nothing behind', async (t) => {
  for (const wait of [0, 1, 2, 3, 5, 8]) {
    const { socket } = open(t)
    socket.write(events)
    await sleep(wait)
    socket.resetAndDestroy()
  }
  await sleep(200)
  t.equal(hub.count, 0)
  t.equal(hub.usersIn([id]).size, 0)
})
