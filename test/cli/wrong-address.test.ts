import t from 'tap'
import { failure } from '../support/chat-clients.js'
import { ChatClient, MemoryStore } from '../../src/client/index.js'
import { commandLine } from '../support/command-line.js'
import { shortenWaits } from '../support/short-waits.js'
import { startServer } from '../support/server-process.js'
import { tlsFront } from '../support/tls-front.js'

shortenWaits(t)
const { url } = await startServer(t)
const cli = commandLine(t, { SECURE_CHAT_URL: url })
const register = (to: string) => cli(['register', 'alice', '--url', to])

t.test('A certificate of an own CA: the message names what makes it known', async (t) => {
  const front = await tlsFront(t, url)
  const { code, err } = await register(front.url)
  t.equal(code, 3)
  t.match(err, `The certificate of ${front.url} is of a CA that this program does not know.`)
  t.match(err, /NODE_EXTRA_CA_CERTS=/)
})

t.test('An address with the wrong one of http and https: the message names the other', async (t) => {
  t.match(await register(url.replace('http:', 'https:')), {
    code: 3,
    err: `does not speak TLS. Without TLS its address is ${url}`
  })
  const front = await tlsFront(t, url)
  t.match(await register(front.url.replace('https:', 'http:')), {
    code: 3,
    err: `has hung up. If it has TLS, its address is ${front.url}`
  })
})

t.test('An address with a password is refused, and the password is shown nowhere', async (t) => {
  for (const address of [
    url.replace('//', '//monitor:s3cret@'),
    'ftp://me:s3cret@example.org',
    'http://a:s3cret@b@c'
  ]) {
    const { code, out, err } = await register(address)
    t.equal(code, 2)
    t.match(err, /has no user name and no password/)
    t.notMatch(out + err, /s3cret/)
    const error = await failure(ChatClient.open({ url: address, store: new MemoryStore() }))
    t.match(error, { kind: 'usage', code: 'invalid-url' })
    t.notMatch(error.message, /s3cret/)
  }
})
