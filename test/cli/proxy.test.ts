import { createServer, type Server } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import { commandLine } from '../support/command-line.js'
import { startChat } from '../support/start-chat.js'

const { url } = await startChat(t)
const { port } = new URL(url)

/** A proxy that leads every name to this machine, and remembers what it was asked for. */
async function startProxy(): Promise<{ proxy: string; asked: string[]; server: Server }> {
  const asked: string[] = []
  const server = createServer().on('connect', (request, socket) => {
    asked.push(request.url!)
    const upstream = connect(Number(port), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      upstream.pipe(socket)
      socket.pipe(upstream)
    })
    for (const one of [socket, upstream])
      one.on('error', () => [socket, upstream].forEach((end) => end.destroy()))
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const { port: own } = server.address() as { port: number }
  return { proxy: `http://127.0.0.1:${own}`, asked, server }
}

t.test('The program goes through the proxy that the environment names', async (t) => {
  const { proxy, asked, server } = await startProxy()
  t.teardown(() => server.closeAllConnections())
  t.teardown(() => server.close())
  const cli = commandLine(t, { SECURE_CHAT_URL: `http://chat.test:${port}`, http_proxy: proxy })
  t.match(await cli('register alice'), { code: 0 })
  t.match(await cli('doctor'), { out: /ok +server:[^]*ok +TLS:.*proxy/ })
  t.ok(asked.length > 0)
  t.ok(asked.every((name) => name === `chat.test:${port}`))
  const before = asked.length
  t.match(await cli(`--url ${url} conversations`), { code: 0 }, 'the server on this machine needs none')
  t.equal(asked.length, before)
})
