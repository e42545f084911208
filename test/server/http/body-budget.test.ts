import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { eventually } from '../../support/eventually.js'
import { creation } from '../../support/chain-requests.js'
import { post } from '../../support/conversations.js'
import { expect, problem } from '../../support/interop/http.js'
import type { InteropClient } from '../../support/interop/client.js'
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

function begin(t: Test, by: InteropClient, size: number | 'chunked', path: string): Socket {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined)
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
