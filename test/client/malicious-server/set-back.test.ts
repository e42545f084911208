import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import type { ChatClient } from '../../../src/client/client.js'
import type { Boundary } from '../../../src/client/conversations/boundaries.js'
import type { Message } from '../../../src/protocol/messages.js'
import { Listener, PASSWORD } from '../../support/chat-clients.js'
import { problem } from '../../support/fake-answers.js'
import { eventually } from '../../support/eventually.js'
import { fakeClient, linkedDevice } from '../../support/fake-clients.js'
import { inShort, scene, told, type Scene } from '../../support/malicious-server.js'
import type { FakeServer } from '../../support/fake-server.js'
import type { Puppet } from '../../support/puppet.js'
import type { Speaker } from '../../support/puppet-talk.js'

/** A stream that the server begins again, at an earlier place of the same log or in another one. */
function setBack({ server }: Scene, epoch: string, position: number, event: string, data: object): void {
  const frame = `id: ${epoch}-${position}\nevent: ${event}\ndata: ${JSON.stringify({ ...data, position })}\n\n`
  server.log.send('bob', `event: reset\ndata: ${JSON.stringify({ position })}\n\n${frame}`)
}

/** Alice's laptop is revoked, or she is removed. Bob has read on since, and has not got one of her keys. */
async function gone(by: 'revocation' | 'removal', readsOn = true) {
  const all = await scene(t, ['carol', 'alice'])
  const { server, bob, talk, alice, carol } = all
  await bob.send(talk.id, 'hello')
  const heard = await all.listen()
  await talk.say(alice, 'before', 1)
  await heard.message('before')
  const old = talk.key
  const { request } = await talk.change([], alice.device)
  const key = talk.key
  const withheld = { is: true }
  server.lies.push(({ path, username }) => {
    const isKey = username === 'bob' && path.endsWith(`/session-keys/${request.key.id}`)
    return withheld.is && isKey ? problem('session-key-not-found') : undefined
  })
  const laptop: Speaker = { user: alice.user, device: alice.device }
  const place = server.log.position + 1
  server.log.position += 5
  const give = (epoch: string, position: number) => {
    withheld.is = false
    const data = { conversationId: talk.id, sessionKeyId: request.key.id, deviceIds: [bob.account!.deviceId] }
    server.log.send(
      'bob',
      `id: ${epoch}-${position}\nevent: session-key.shared\ndata: ${JSON.stringify({ ...data, position })}\n\n`
    )
  }
  if (by === 'revocation') {
    const phone = await alice.add()
    server.announce(alice.user)
    await alice.revoke(laptop.device.id, phone)
    server.announce(alice.user)
    await heard.first('device-changed', ({ change }) => change === 'revoked')
    if (!readsOn) return { ...all, heard, laptop, old, key, place, give }
    await talk.change([], carol.device)
  } else await talk.change([{ kind: 'conversation-remove', username: 'alice' }], carol.device)
  await talk.say(carol, 'after', 1)
  await heard.message('after')
  await talk.say(carol, 'more', 2)
  await heard.message('more')
  return { ...all, heard, laptop, old, key, place, give }
}

const data = ({ ref: _, ...message }: Message & { ref: unknown }): Message => message

for (const by of ['revocation', 'removal'] as const)
  t.test(
    `A message that comes after a ${by} that was known waits for no key, wherever it stands`,
    async (t) => {
      const at = await gone(by)
      const { server, bob, talk, laptop, key, place, heard, store, give } = at
      const late = await talk.say(laptop, 'signed later', 1, { key, position: place, isStreamed: false })
      setBack(at, 'aaaaaaaa', place, 'message', data(late))
      const code = by === 'revocation' ? 'after-revocation' : 'after-removal'
      await heard.first('unreadable', ({ position }) => position === place)
      give('aaaaaaaa', place + 1)
      await talk.say(at.carol, 'end', 3)
      await heard.message('end')
      t.notOk(heard.texts().includes('signed later'))
      t.ok((await told(bob, talk.id)).includes(code))
      await bob.close()
      const again = await told(await fakeClient(t, server, { store }), talk.id)
      t.ok(again.includes(code), 'after a restart, too')
      t.notOk(again.includes('signed later'))
    }
  )

interface Way {
  readsOn: boolean
  /** Places that the stream comes to, before the one of the message. `end` is where the boundary is. */
  by: (end: number) => (readonly [epoch: string, position: number])[]
  to: string
}
const ways: Record<string, Way> = {
  'is shown again before a third one': {
    readsOn: true,
    by: (end) => [
      ['bbbbbbbb', 1],
      ['aaaaaaaa', end]
    ],
    to: 'cccccccc'
  },
  'begins when all of the one before was read, and is set back': {
    readsOn: false,
    by: () => [['bbbbbbbb', 900]],
    to: 'bbbbbbbb'
  },
  'begins before the place that was read': { readsOn: false, by: () => [], to: 'bbbbbbbb' }
}
for (const [way, { readsOn, by, to }] of Object.entries(ways))
  t.test(`A log that ${way} opens nothing for the departed`, async (t) => {
    const at = await gone('revocation', readsOn)
    const { bob, talk, laptop, old, store, heard } = at
    await bob.conversations.get(talk.id)
    const [[, [end]]] = (await store.list(`gone/${talk.id}/devices/alice`)) as [[string, [Boundary]]]
    const nothing = { conversationId: talk.id, sessionKeyId: randomUUID(), deviceIds: [] }
    for (const [epoch, position] of by(end.position))
      setBack(at, epoch, position, 'session-key.shared', nothing)
    const late = await talk.say(laptop, 'signed later', 2, { key: old, position: 3, isStreamed: false })
    setBack(at, to, 3, 'message', data(late))
    const shown = () => heard.heard.find((event) => 'position' in event && event.position === 3)
    await eventually(() => shown() !== undefined)
    t.equal(inShort(shown()!), 'after-revocation')
  })

/** Alice revokes her laptop by a new device, and the reader hears of it. */
async function revoke(server: FakeServer, alice: Puppet, laptop: Speaker, heard: Listener): Promise<void> {
  const other = await alice.add()
  server.announce(alice.user)
  await alice.revoke(laptop.device.id, other)
  server.announce(alice.user)
  await heard.first('device-changed', ({ change }) => change === 'revoked')
}

async function refused(t: Test, reader: ChatClient, id: string): Promise<void> {
  t.ok((await told(reader, id)).includes('after-revocation'))
  t.notOk((await told(reader, id)).includes('signed later'))
}

for (const how of ['the stream brought', 'the stream brought after another one', 'an answer told'])
  t.test(`A going that ${how} closes what was read by then, although the stream begins again`, async (t) => {
    const { server, bob, talk, alice, carol, listen } = await scene(t, ['carol', 'alice'])
    await bob.send(talk.id, 'hello')
    const heard = await listen()
    const laptop: Speaker = { user: alice.user, device: alice.device }
    const tablet = await alice.add()
    const phone = await alice.add()
    server.announce(alice.user)
    await talk.change([], carol.device)
    const key = talk.key
    server.log.position += 5
    const place = server.log.position
    await talk.say(carol, 'under it', 1)
    await heard.message('under it')
    const hidden = { is: true }
    server.lies.push(({ path, username }) =>
      hidden.is && username === 'bob' && path === `/v1/conversations/${talk.id}/chain`
        ? problem('conversation-not-found')
        : undefined
    )
    if (how.endsWith('another one')) await alice.revoke(tablet.id, phone)
    await alice.revoke(laptop.device.id, phone)
    if (how.startsWith('the stream')) {
      server.announce(alice.user)
      await heard.first('device-changed', ({ change }) => change === 'revoked')
    } else await bob.contacts.get('alice')
    server.log.send('bob', `event: reset\ndata: {"position":1}\n\n`)
    await heard.first('reset')
    hidden.is = false
    server.log.position += 1000
    await talk.change([], carol.device)
    await talk.say(carol, 'end', 1)
    await heard.message('end')
    await talk.say(laptop, 'signed later', 1, { key, position: place, isStreamed: false })
    await refused(t, bob, talk.id)
  })

t.test('An end of the log that is made up leaves nothing open on a new device', async (t) => {
  const { server, bob, talk, alice, carol } = await scene(t, ['carol', 'alice'])
  await bob.send(talk.id, 'hello')
  const isAtStart = { is: true }
  server.lies.push(({ path }) =>
    isAtStart.is && path === '/v1/events/page' ? { items: [], cursor: 'aaaaaaaa-999999999' } : undefined
  )
  const phone = await linkedDevice(t, server, bob)
  await phone.conversations.get(talk.id)
  isAtStart.is = false
  const heard = new Listener(t, phone)
  await heard.first('connected')
  const laptop: Speaker = { user: alice.user, device: alice.device }
  server.log.send('bob', `event: reset\ndata: {"position":1}\n\n`)
  await talk.change([], carol.device)
  await talk.say(laptop, 'again', 1)
  await heard.message('again')
  const key = talk.key
  server.log.position += 5
  const place = server.log.position
  await revoke(server, alice, laptop, heard)
  await talk.change([], carol.device)
  await talk.say(carol, 'end', 1)
  await heard.message('end')
  await talk.say(laptop, 'signed later', 2, { key, position: place, isStreamed: false })
  await refused(t, phone, talk.id)
})

t.test('Under a key whose making the stream brought, nothing is older than the key', async (t) => {
  const { server, bob, talk, alice, carol } = await scene(t, ['carol', 'alice'])
  await bob.send(talk.id, 'hello')
  server.log.position += 5
  const place = server.log.position
  const phone = await linkedDevice(t, server, bob)
  await phone.conversations.get(talk.id)
  const heard = new Listener(t, phone)
  await heard.first('connected')
  const laptop: Speaker = { user: alice.user, device: alice.device }
  await talk.change([], carol.device)
  const key = talk.key
  await talk.say(carol, 'under it', 1)
  await heard.message('under it')
  await revoke(server, alice, laptop, heard)
  await talk.change([], carol.device)
  server.log.send('bob', `event: reset\ndata: {"position":1}\n\n`)
  await heard.first('reset')
  await talk.change([], carol.device)
  await talk.say(carol, 'end', 1)
  await heard.message('end')
  await talk.say(laptop, 'signed later', 1, { key, position: place, isStreamed: false })
  await refused(t, phone, talk.id)
})

t.test('Unread messages are the past, however often their reader begins as a new device', async (t) => {
  const { server, bob, talk, alice, carol, listen } = await scene(t, ['carol', 'alice'])
  await bob.send(talk.id, 'hello')
  const heard = await listen()
  await talk.say(alice, 'one', 1)
  await heard.message('one')
  await heard.stop()
  for (const [at, text] of ['two', 'three'].entries()) await talk.say(alice, text, at + 2)
  const phone = await alice.add()
  await alice.revoke(alice.device.id, phone)
  server.announce(alice.user)
  await talk.change([], carol.device)
  await bob.send(talk.id, 'known to have gone')
  const heardLater = ['first', 'second', 'third']
  for (const [at, text] of heardLater.entries()) {
    await bob.devices.reset({ username: 'bob', password: PASSWORD })
    const again = await listen()
    await talk.say(carol, text, at + 1)
    await again.message(text)
    await again.stop()
  }
  const read = ['hello', 'one', 'two', 'three', 'known to have gone', ...heardLater]
  t.strictSame(await told(bob, talk.id), read)
})
