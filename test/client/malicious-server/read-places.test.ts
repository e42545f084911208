import t, { type Test } from 'tap'
import type { ChatClient } from '../../../src/client/client.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import { link, listening, PASSWORD, textOf, type Listener } from '../../support/chat-clients.js'
import { json } from '../../support/fake-answers.js'
import { eventually } from '../../support/eventually.js'
import { fakeClient } from '../../support/fake-clients.js'
import type { FakeLog } from '../../support/fake-log.js'
import { scene, told, type Scene } from '../../support/malicious-server.js'
import type { Puppet } from '../../support/puppet.js'
import type { Speaker } from '../../support/puppet-talk.js'

type At = Scene & Record<'carol' | 'alice', Puppet>

/** The reader hears two messages by Carol. Between them lies a place for one that Alice's laptop signs later. */
async function readOver({ server, talk, carol }: At, heard: Listener) {
  await talk.change([], carol.device)
  const key = talk.key
  await talk.say(carol, 'x', 1)
  await heard.message('x')
  const position = server.log.position + 1
  server.log.position += 5
  await talk.say(carol, 'y', 2)
  await heard.message('y')
  return { key, position }
}

/** Alice has revoked her laptop, and the reader has heard of it and read on. Now the laptop signs a message. */
async function refused(
  t: Test,
  { talk, carol }: At,
  laptop: Speaker,
  place: Awaited<ReturnType<typeof readOver>>,
  { reader, heard }: { reader: ChatClient; heard: Listener }
): Promise<void> {
  await talk.change([], carol.device)
  for (const [at, text] of ['end', 'real end'].entries()) await talk.say(carol, text, at + 1)
  await heard.message('real end')
  await talk.say(laptop, 'signed later', 1, { ...place, isStreamed: false })
  const read = await told(reader, talk.id)
  t.ok(read.includes('after-revocation'))
  t.notOk(read.includes('signed later'))
}

t.test('A place that a device has read stays read when it begins as a new one', async (t) => {
  const at = await scene(t, ['carol', 'alice'])
  const { server, bob, talk, alice, carol } = at
  await bob.send(talk.id, 'hello')
  const tablet = await fakeClient(t, server)
  const tabletId = await link(bob, tablet)
  let heard = await listening(t, tablet)
  const laptop: Speaker = { user: alice.user, device: alice.device }
  const phone = await alice.add()
  server.announce(alice.user)
  const place = await readOver(at, heard)
  await heard.stop()
  await alice.revoke(laptop.device.id, phone)
  // The server says that the conversation is longer.
  talk.conversation.lastPosition = server.log.position += 3
  await tablet.send(talk.id, 'known to have gone')

  await bob.devices.revoke(tabletId)
  await link(bob, tablet)
  heard = await listening(t, tablet)
  await talk.change([], carol.device)
  await talk.say(carol, 'later', 1)
  await heard.message('later')
  await refused(t, at, laptop, place, { reader: tablet, heard })
})

/** Two clients of one store wait for approval. One is active; the other one has asked where the log ends. */
async function twoWaiting(t: Test, { server, bob }: Scene) {
  const store = new MemoryStore()
  const reader = await fakeClient(t, server, { store })
  const { deviceId } = await reader.login({ username: 'bob', password: PASSWORD })
  const number = await reader.linkNumber()
  let answer: ((end: string) => void) | undefined
  const other = await fakeClient(t, server, {
    store,
    fetch: async (input, init) => {
      if (new URL(input).pathname !== '/v1/events/page') return server.fetch(input, init)
      return json({ items: [], cursor: await new Promise<string>((resolve) => (answer = resolve)) })
    }
  })
  await bob.devices.approve(deviceId, { number })
  await reader.confirmLink(number)
  const active = other.waitForApproval()
  await eventually(() => answer !== undefined)
  await reader.waitForApproval()
  const tell = (end: string) => {
    answer!(end)
    return active
  }
  return { reader, store, tell }
}

t.test('A client that learns late where the log ends moves the others of its store nowhere', async (t) => {
  const at = await scene(t, ['carol'])
  const { server, bob, talk, carol } = at
  await bob.send(talk.id, 'hello')
  const { reader, store, tell } = await twoWaiting(t, at)
  talk.key = await talk.newestKey(carol.device)
  const said = ['one', 'two', 'three']
  for (const [index, text] of said.entries()) await talk.say(carol, text, index + 1)
  // It ends while it handles the first message.
  for await (const event of reader.events()) if (textOf(event) === 'one') break
  await reader.close()
  await tell(server.log.cursor)
  const heard = await listening(t, await fakeClient(t, server, { store }))
  await talk.say(carol, 'end', said.length + 1)
  await heard.message('end')
  t.strictSame(heard.texts(), [...said, 'end'])
})

/** What happens when the reader has read over the place: the end of the log that another client is told then. */
const ways: Record<string, (log: FakeLog) => string> = {
  'another client of its store learns late where the log ends': ({ cursor }) => cursor,
  'another client of its store is told a place where no log ends': () => 'aaaaaaaa-999999',
  'its stream is reset': (log) => {
    log.send('bob', `id: ${log.cursor}\nevent: reset\ndata: {"position":1}\n\n`)
    return log.cursor
  }
}
for (const [way, happens] of Object.entries(ways))
  t.test(`A place that a device has read stays read when ${way}`, async (t) => {
    const at = await scene(t, ['carol', 'alice'])
    const { server, bob, talk, alice } = at
    await bob.send(talk.id, 'hello')
    const { reader, tell } = await twoWaiting(t, at)
    const heard = await listening(t, reader)
    const place = await readOver(at, heard)
    await tell(happens(server.log))
    if (way === 'its stream is reset') await heard.first('reset')

    const laptop: Speaker = { user: alice.user, device: alice.device }
    const phone = await alice.add()
    server.announce(alice.user)
    await alice.revoke(laptop.device.id, phone)
    server.announce(alice.user)
    await heard.first('device-changed', ({ change }) => change === 'revoked')
    await refused(t, at, laptop, place, { reader, heard })
  })
