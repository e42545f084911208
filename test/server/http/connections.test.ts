import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import t from 'tap'
import { eventually } from '../../support/eventually.js'
import { startServer } from '../../support/server-process.js'
import { startChat } from '../../support/start-chat.js'

t.test('A connection without a request does not delay the stop', async (t) => {
  const chat = await startChat(t)
  const accepted = once(chat.app.server, 'connection')
  const socket = connect({ port: Number(new URL(chat.url).port), host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  await accepted
  const closed = once(socket, 'close')
  const since = Date.now()
  await chat.app.close()
  await closed
  t.ok(Date.now() - since < 4000, 'nor is it cut off only when patience is at its end')
})

const slow = {
  head: 'GET /healthz HTTP/1.1\r\nHost: x',
  body: 'POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{'
}

t.test('A request that comes too slowly is refused soon after its time is over', async (t) => {
  const chat = await startChat(t)
  Object.assign(chat.app.server, { headersTimeout: 500, requestTimeout: 500 })
  const since = Date.now()
  for (const [part, text] of Object.entries(slow)) {
    const socket = connect({ port: Number(new URL(chat.url).port), host: '127.0.0.1' })
    t.teardown(() => socket.destroy())
    let answer = ''
    socket.setEncoding('utf8').on('data', (text: string) => (answer += text))
    const closed = once(socket, 'close')
    socket.write(text)
    await closed
    t.match(answer, /^HTTP\/1\.1 408 .*request-timeout/s, part)
  }
  t.ok(Date.now() - since < 15_000, 'Node.js itself looks every 30 s')
})

const AT_ONCE = 1500
const skip = mostWaiting() < AT_ONCE && `the kernel lets fewer than ${AT_ONCE} connections wait`

t.test('When all clients reconnect at once, none of them has to retry', { skip }, async (t) => {
  const server = await startServer(t)
  process.kill(server.pid!, 'SIGSTOP')
  t.teardown(() => process.kill(server.pid!, 'SIGCONT'))
  let connected = 0
  const sockets = Array.from({ length: AT_ONCE }, () =>
    connect({ port: server.port, host: '127.0.0.1' })
      .on('connect', () => connected++)
      .on('error', () => undefined)
  )
  t.teardown(() => sockets.forEach((socket) => socket.destroy()))
  await eventually(() => connected === AT_ONCE, 'all wait to be taken while the server takes none')
  t.pass()
})

function mostWaiting(): number {
  try {
    return Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'))
  } catch {
    return 0
  }
}
