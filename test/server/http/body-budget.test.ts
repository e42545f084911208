import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { eventually } from '../../support/eventually.js'
import { creation } from '../../support/chain-requests.js'
import { post } from '../../support/conversations.js'
import { expect, problem } from '../../support/interop/http.js'
import type { InteropClient } from '../../support/interop/client.js'
import { user } from '../../support/people.js'
import { startServer } from '../../support/server-process.js'
import { startChat } from '../../support/start-chat.js'

const MIB = 2 ** 20
const chat = await startChat(t)
const { port } = chat.app.server.address() as AddressInfo
const people = await Promise.all(Array.from({ length: 9 }, (_, n) => chat.user(`user${n}`)))

/** A request whose body has begun and never ends by itself. */
async function unfinished(t: Test, by: InteropClient, size: number | 'chunked'): Promise<Socket> {
  const socket = begin(t, by, size, '/v1/conversations')
  await once(socket, 'connect')
  // Nothing tells when the server has looked at the headers.
  await sleep(300)
  return socket
}

function begin(t: Test, by: InteropClient, size: number | 'chunked', path: string, to = port): Socket {
  // It goes on sending when the server has said all.
  const socket = connect({ port: to, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => undefined)
  t.teardown(() => socket.destroy())
  const length = size === 'chunked' ? 'Transfer-Encoding: chunked' : `Content-Length: ${size}`
  const body = size === 'chunked' ? '1\r\n{\r\n' : '{'
  const head = [`POST ${path} HTTP/1.1`, 'Host: chat', `Authorization: Bearer ${by.accessToken}`]
  socket.write([...head, 'Content-Type: application/json', length, '', body].join('\r\n'))
  return socket
}

/** A body of this size that is refused only when it has been read. */
const large = (by: InteropClient, size: number) => post(by, '/v1/conversations', `${' '.repeat(size - 2)}{}`)

t.test('A caller has 16 MiB of large bodies under way, unfinished ones too', async (t) => {
  const [alice, bob] = people as [InteropClient, InteropClient]
  for (const size of [16 * MIB, 'chunked'] as const) {
    const socket = await unfinished(t, alice, size)
    const refused = await large(alice, MIB)
    t.equal(problem(refused), 'overloaded')
    t.ok(Number(refused.headers['retry-after']) > 0)
    expect(await large(alice, 60_000), 400)
    expect(await post(alice, '/v1/conversations', await creation(alice, 'group', [])), 201)
    t.pass('small bodies do not count')
    expect(await large(bob, MIB), 400)
    t.pass('nor do those of others')
    socket.destroy()
    await eventually(async () => (await large(alice, MIB)).status === 400, 'the body is gone')
    expect(await large(alice, 16 * MIB), 400)
  }
})

t.test('All callers together have 128 MiB under way', async (t) => {
  const [last, ...others] = people as [InteropClient, ...InteropClient[]]
  const sockets = await Promise.all(others.map((by) => unfinished(t, by, 16 * MIB)))
  t.equal(problem(await large(last, MIB)), 'overloaded')
  sockets[0]!.destroy()
  await eventually(async () => (await large(last, MIB)).status === 400)
})

t.test('A stranger’s body is not read', async (t) => {
  const [alice, bob] = people as [InteropClient, InteropClient]
  const body = await creation(alice, 'group', [])
  expect(await post(alice, '/v1/conversations', body), 201)
  const socket = begin(t, bob, 16 * MIB, `/v1/conversations/${body.id}/chain`)
  let answer = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk))
  await eventually(() => answer.includes('conversation-not-found'), 'an answer before the body ends')
})

t.test('A large body is not read on when its caller has to wait, for whatever reason', async (t) => {
  const limited = await startChat(t, { RATE_LIMIT: 'on', RATE_LIMIT_WRITE: '1' })
  const carol = await limited.user('carol')
  const { server } = limited.app
  await eventually(async () => (await large(carol, 100)).status === 429, 'the budget is spent')
  const beginRefused = async (size: number | 'chunked') => {
    const connected = once(server, 'connection') as Promise<[Socket]>
    const socket = begin(t, carol, size, '/v1/conversations', (server.address() as AddressInfo).port)
    let text = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
    const answers = (count: number) =>
      eventually(() => text.split('HTTP/1.1 429 ').length > count, `${count} answers`)
    await answers(1)
    const [atServer] = await connected
    return { socket, atServer, answers }
  }
  for (const size of [16 * MIB, 'chunked'] as const) {
    const { socket, atServer } = await beginRefused(size)
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write(Buffer.alloc(8 * MIB, size === 'chunked' ? `ffff\r\n${' '.repeat(0xffff)}\r\n` : ' '))
    await closed
    t.ok(atServer.bytesRead < MIB, `${atServer.bytesRead} of 8 MiB were read`)
  }
  const { socket, answers } = await beginRefused(60_000)
  socket.write(' '.repeat(59_999))
  socket.write('POST /v1/conversations HTTP/1.1\r\nHost: chat\r\nContent-Length: 0\r\n')
  socket.write(`Authorization: Bearer ${carol.accessToken}\r\n\r\n`)
  await answers(2)
  t.pass('a small body is, and the next request comes on the same connection')
})

t.test('The answer to a body that is not read reaches its sender', async (t) => {
  const server = await startServer(t, { env: { RATE_LIMIT: 'on', RATE_LIMIT_WRITE: '1' } })
  const carol = await user(t, server, 'carol')
  await eventually(async () => (await large(carol, 100)).status === 429, 'the budget is spent')
  const headers = { authorization: `Bearer ${carol.accessToken}`, 'content-type': 'application/json' }
  const send = async (path: string, body: Uint8Array | ReadableStream) => {
    const answer = await fetch(server.url + path, { method: 'POST', headers, body, duplex: 'half' })
    return (await answer.json()) as { status: number }
  }
  const whole = () => new Uint8Array(8 * MIB)
  const piecewise = () => new Blob([new Uint8Array(MIB)]).stream()
  const refusals = [
    ['/v1/conversations', 429],
    ['/v1/auth/login', 413]
  ] as const
  for (const [path, status] of refusals)
    for (const body of [whole, piecewise])
      for (let n = 0; n < 20; n++) t.match(await send(path, body()), { status }, `${body.name}, ${n}`)
})
