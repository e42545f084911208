import { connect } from 'node:net'
import t from 'tap'
import { LockHolder } from '../support/database-locks.js'
import { eventually } from '../support/eventually.js'
import { conversation, user } from '../support/people.js'
import { plainStream } from '../support/plain-stream.js'
import { startPostgres } from '../support/postgres.js'
import { startServer } from '../support/server-process.js'
import { expect } from '../support/interop/http.js'

const postgres = await startPostgres(t)
if (postgres !== undefined) {
  t.test('A send that is under way at SIGTERM is answered and stored; a later one is refused', async (t) => {
    const databaseUrl = await postgres.newDatabase()
    const server = await startServer(t, { databaseUrl })
    const alice = await user(t, server, 'alice')
    const id = await conversation(alice, [])
    const stream = await plainStream(t, alice)
    const lock = await LockHolder.connect(t, databaseUrl)

    await lock.client.query('begin; update log_head set last = last')
    const sealed = alice.seal(id, 'under way')
    const sending = alice.post(id, sealed)
    await lock.holdsUp()
    const half = halfRequest(server.port)
    const never = halfRequest(server.port)
    await eventually(() => half.connected && never.connected)
    // The server has read what was sent before, once it has answered what was sent after.
    expect(await alice.raw('GET', '/v1/server'), 200)

    const before = Date.now()
    const ended = server.stop()
    await eventually(() => stream.over, 'the stream has ended')
    t.match(stream.text, /\n\nretry: \d{4}\n\n$/)
    half.finish()
    await eventually(() => half.text !== '', 'an answer')
    t.match(half.text, /^HTTP\/1\.1 503 /)
    t.match(half.text, /\r\nretry-after: 2\r\n/i)
    t.match(half.text, /\r\nconnection: close\r\n/i)
    t.match(half.text, /"type":"\/problems\/stopping"/)
    const late = await fetch(`${server.url}/healthz`).then(
      ({ status }) => status,
      () => 'refused'
    )
    t.ok(late === 503 || late === 'refused', `a new connection is answered: ${late}`)
    t.ok(server.running, 'it waits for the send')

    await lock.client.query('commit')
    expect(await sending, 201)
    t.equal(await ended, 0, 'a request that never ends does not keep it for ever')
    t.ok(Date.now() - before < 10_000)
    await eventually(() => never.over)
    const { rowCount } = await lock.client.query('select from events where message_id = $1', [sealed.id])
    t.equal(rowCount, 1)
  })
}

/** A request of which the last line is missing, until it is finished. */
function halfRequest(port: number) {
  const socket = connect(port, '127.0.0.1')
  const state = {
    text: '',
    connected: false,
    over: false,
    finish: () => void socket.write('\r\n')
  }
  socket.setEncoding('utf8')
  socket.on('connect', () => {
    state.connected = true
    socket.write('GET /v1/server HTTP/1.1\r\nHost: localhost\r\n')
  })
  socket.on('data', (text: string) => (state.text += text))
  socket.on('error', () => undefined)
  socket.on('close', () => (state.over = true))
  t.teardown(() => socket.destroy())
  return state
}
