import { createServer, type Server } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import { machine } from '../support/cli-process.js'
import { commandLine } from '../support/command-line.js'
import { shortenWaits } from '../support/short-waits.js'
import { startChat } from '../support/start-chat.js'
import { tlsFront } from '../support/tls-front.js'

const { url } = await startChat(t)
const { port } = new URL(url)

/** A proxy that leads every name to a port of this machine, and remembers what it was asked for. */
async function startProxy(to = port): Promise<{ proxy: string; asked: string[]; server: Server }> {
  const asked: string[] = []
  const server = createServer().on('connect', (request, socket) => {
    asked.push(request.url!)
    const upstream = connect(Number(to), 'localhost', () => {
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

t.test(
  'For an address with https it is the one of HTTPS_PROXY, and TLS goes through it to the server',
  async (t) => {
    const front = await tlsFront(t, url)
    const { port: secure } = new URL(front.url)
    const { proxy, asked, server } = await startProxy(secure)
    t.teardown(() => server.closeAllConnections())
    t.teardown(() => server.close())
    const home = await machine(t, `https://chat.test:${secure}`)
    // Node.js reads the certificate when it starts.
    const env = { HTTPS_PROXY: proxy, NODE_EXTRA_CA_CERTS: front.cert }
    const run = (...line: string[]) => home.start('bob', line, { env }).ended()
    t.match(await run('register', 'bob'), { code: 0, out: 'You are bob.\n' })
    t.match(await run('doctor'), { code: 0, out: /ok +server:[^]*ok +TLS:.*proxy/ })
    t.same(new Set(asked), new Set([`chat.test:${secure}`]))
    // This process does not know the certificate.
    shortenWaits(t)
    t.match(await home.run('bob', ['conversations'], { env: { HTTPS_PROXY: proxy } }), {
      code: 3,
      err: /of a CA that this program does not know/
    })
  }
)
