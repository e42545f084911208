import t from 'tap'
import { eventually } from '../../support/eventually.js'
import { farNetwork } from '../../support/far-network.js'
import { conversation, user } from '../../support/people.js'
import { startServer } from '../../support/server-process.js'
import { expect } from '../../support/interop/http.js'

/** Prints what comes on a stream. */
const LISTEN = `
const [, url, token] = process.argv
fetch(url, { headers: { authorization: 'Bearer ' + token } }).then(async ({ body }) => {
  for await (const chunk of body) process.stdout.write(chunk)
})`

const far = farNetwork(t)
if (typeof far === 'string') t.plan(0, far)
else {
  const server = await startServer(t, { env: { SERVER_HOST: '0.0.0.0', STREAM_ACK_TIMEOUT: '5' } })
  const alice = await user(t, server, 'alice')
  const bob = await user(t, server, 'bob')
  const id = await conversation(alice, [bob])

  /** What a client prints that listens on the far network. */
  const listens = async (token: string) => {
    const child = far.spawn(
      process.execPath,
      '-e',
      LISTEN,
      `http://${far.here}:${server.port}/v1/events`,
      token
    )
    t.teardown(() => child.kill('SIGKILL'))
    let text = ''
    child.stdout!.setEncoding('utf8').on('data', (more: string) => (text += more))
    await eventually(() => text.includes('event: ready'), 'the stream is open')
    return { hears: (what: string) => eventually(() => text.includes(what), what) }
  }
  const isOnline = async () => {
    const { body } = await bob.raw<{ items: { online: boolean }[] }>('GET', '/v1/presence?user=alice')
    return body.items[0]!.online
  }

  t.test('The stream of a client that has vanished ends, and its user is offline', async (t) => {
    const stream = await listens(alice.accessToken!)
    expect(await bob.send(id, 'hello'), 201)
    await stream.hears('event: message')
    await eventually(isOnline, 'alice is online')
    far.vanish()
    expect(await bob.send(id, 'is anybody there?'), 201)
    const since = Date.now()
    await eventually(async () => !(await isOnline()), 'alice is offline')
    t.ok(Date.now() - since >= 4000, 'not before the time is over')
  })
}
