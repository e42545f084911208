import t from 'tap'
import { eventually } from '../../support/eventually.js'
import { farNetwork, type FarNetwork } from '../../support/far-network.js'
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
const skip = typeof far === 'string' && far

t.test('The stream of a client that has vanished ends, and its user is offline', { skip }, async (t) => {
  const { here, spawn, vanish } = far as FarNetwork
  const server = await startServer(t, { env: { SERVER_HOST: '0.0.0.0', STREAM_ACK_TIMEOUT: '5' } })
  const alice = await user(t, server, 'alice')
  const bob = await user(t, server, 'bob')
  const id = await conversation(alice, [bob])
  const isOnline = async () => {
    const { body } = await bob.raw<{ items: { online: boolean }[] }>('GET', '/v1/presence?user=alice')
    return body.items[0]!.online
  }

  const url = `http://${here}:${server.port}/v1/events`
  const child = spawn(process.execPath, '-e', LISTEN, url, alice.accessToken!)
  t.teardown(() => child.kill('SIGKILL'))
  let heard = ''
  child.stdout!.setEncoding('utf8').on('data', (more: string) => (heard += more))
  await eventually(() => heard.includes('event: ready'), 'the stream is open')
  expect(await bob.send(id, 'hello'), 201)
  await eventually(() => heard.includes('event: message'), 'a message')
  await eventually(isOnline, 'alice is online')

  vanish()
  expect(await bob.send(id, 'is anybody there?'), 201)
  const since = Date.now()
  await eventually(async () => !(await isOnline()), 'alice is offline')
  t.ok(Date.now() - since >= 4000, 'not before the time is over')
})
