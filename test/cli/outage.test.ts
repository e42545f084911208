import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { lines, machine, type CliProcess } from '../support/cli-process.js'
import { startServer } from '../support/server-process.js'

const server = await startServer(t)
const home = await machine(t, server.url)
await home.register('alice', 'bob')

function bodies({ out }: CliProcess): unknown[] {
  return lines(out)
    .filter(({ type }) => type === 'text')
    .map(({ body }) => body)
}

t.test('After a kill, "listen" shows the messages that it missed, once', async (t) => {
  const listening = home.start('bob', ['listen', '--json'])
  await listening.shows('Connected')
  await home.ok('alice', ['send', 'bob', 'one'])
  await listening.shows('"one"')
  // A message counts as handled when the next one is awaited, a moment later.
  await home.ok('alice', ['send', 'bob', 'two'])
  await listening.shows('"two"')
  await listening.killed()
  t.strictSame(bodies(listening), ['one', 'two'])
  await home.ok('alice', ['send', 'bob', 'three'])
  const again = home.start('bob', ['listen', '--json'])
  await again.shows('"three"')
  await again.interrupted()
  t.strictSame(
    bodies(again).filter((body) => body !== 'two'),
    ['three'],
    'at most the one that was just shown comes again'
  )
})

t.test('A killed "send" can be repeated with its id, and its message arrives once', async (t) => {
  const id = '0b9a4f0e-52c5-4c07-9d5f-3f6a2b8d9c11'
  const command = ['send', 'bob', 'but once', '--id', id]
  // The moments are spread over the time that a send takes.
  for (const afterMs of [450, 600, 750]) {
    const sending = home.start('alice', command)
    await setTimeout(afterMs)
    await sending.killed()
  }
  await home.ok('alice', command)
  const history = await home.json('bob', ['history', 'alice'])
  t.strictSame(
    history.filter(({ body }) => body === 'but once').map((message) => message['id']),
    [id]
  )
  t.notOk(
    history.some(({ type }) => type === 'withheld'),
    'no counter is left out'
  )
})

t.test('Without a server, "send" ends with 3, and "listen" waits until it is back', async (t) => {
  const listening = home.start('bob', ['listen', '--json'])
  await listening.shows('Connected')
  await server.kill()
  await listening.shows('No connection to the server')
  const { code, out, err } = await home.run('alice', ['send', 'bob', 'after the storm'])
  t.strictSame([code, out], [3, ''])
  t.match(err, `Is a server running at ${server.url}?`)
  const [, id] = /--id ([0-9a-f-]{36})$/m.exec(err)!
  await server.start()
  await home.ok('alice', ['send', 'bob', 'after the storm', '--id', id!])
  await listening.shows('after the storm')
  t.match(listening.err, 'Connected again.')
  t.equal((await listening.interrupted()).code, 0)
  const history = await home.json('bob', ['history', 'alice'])
  t.equal(history.filter(({ body }) => body === 'after the storm').length, 1)
})

t.test('"listen" goes on over an outage when nobody reads its notes any more', async (t) => {
  const listening = home.start('bob', ['listen', '--json'])
  await listening.shows('Connected')
  listening.child.stderr!.destroy()
  await server.restart('SIGTERM')
  await home.ok('alice', ['send', 'bob', 'nobody saw the outage'])
  await listening.shows('nobody saw the outage')
  t.equal((await listening.interrupted()).code, 0)
})
