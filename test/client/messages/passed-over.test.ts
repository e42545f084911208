import t, { type Test } from 'tap'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import { link, listening, PASSWORD } from '../../support/chat-clients.js'
import { fakeClient, fakeUser, linkedDevice } from '../../support/fake-clients.js'
import { FakeServer } from '../../support/fake-server.js'
import { scene, told } from '../../support/malicious-server.js'
import { refillReadyKeys } from '../../support/ready-keys.js'
import { shortenWaits } from '../../support/short-waits.js'

for (const gone of ['a revoked device', 'a removed member'])
  t.test(`After a restore a device that was linked later reads again what ${gone} had said`, async (t) => {
    shortenWaits(t)
    const { server, bob, talk, alice, carol } = await scene(t, ['carol', 'alice'])
    await bob.send(talk.id, 'hello')
    talk.key = await talk.newestKey(alice.device)
    const said = ['one', 'two', 'three']
    for (const [at, text] of said.entries()) await talk.say(alice, text, at + 1)
    if (gone === 'a revoked device') {
      const phone = await alice.add()
      await alice.revoke(alice.device.id, phone)
      server.announce(alice.user)
      await talk.change([], carol.device)
    } else await talk.change([{ kind: 'conversation-remove', username: 'alice' }], carol.device)
    const tablet = await linkedDevice(t, server, bob)
    const heard = await listening(t, tablet)
    await talk.change([], carol.device)
    await talk.say(carol, 'live', 1)
    await heard.message('live')

    server.log.restore(server.log.position)
    await heard.first('reset')
    await talk.say(carol, 'new', 2)
    await heard.message('new')
    const again = heard.heard.slice(heard.heard.findIndex(({ type }) => type === 'reset'))
    const read = ['hello', ...said, 'live', 'new']
    t.strictSame(heard.texts().slice(1), read)
    t.notOk(again.some(({ type }) => type === 'unreadable' || type === 'untrusted'))
    t.strictSame(await told(tablet, talk.id), read)
  })

t.test('A number that was given up late sets no bound on what its device had said before', async (t) => {
  const { server, bob, talk, alice, carol } = await scene(t, ['carol', 'alice'])
  await bob.send(talk.id, 'hello')
  await talk.change([], carol.device)
  await talk.say(alice, 'one', 1)
  await talk.say(alice, 'three', 3)
  const tablets = [await linkedDevice(t, server, bob), await linkedDevice(t, server, bob)]
  const heard = await Promise.all(tablets.map((tablet) => listening(t, tablet)))
  await talk.say(alice, { type: 'void' }, 2)
  await talk.say(alice, 'four', 4)
  for (const one of heard) await one.message('four')
  // The first of them reads it while nobody has gone.
  await told(tablets[0]!, talk.id)

  const phone = await alice.add()
  await alice.revoke(alice.device.id, phone)
  server.announce(alice.user)
  for (const one of heard) await one.first('device-changed', ({ change }) => change === 'revoked')
  for (const tablet of tablets) {
    const read = await told(tablet, talk.id)
    for (const text of ['one', 'three', 'four']) t.ok(read.includes(text), text)
  }
})

/** Alice's laptop and phone, and Bob, on an honest server. The phone has written, and is gone. */
async function withoutPhone(t: Test) {
  refillReadyKeys()
  const server = new FakeServer()
  const laptop = await fakeUser(t, server, 'alice')
  const bob = await fakeUser(t, server, 'bob')
  const phone = await fakeClient(t, server)
  const phoneId = await link(laptop, phone)
  const { conversationId: id } = await bob.send({ username: 'alice' }, 'hi')
  const speak = async () => {
    await phone.send(id, 'by phone 1')
    await phone.send(id, 'by phone 2')
    await bob.send(id, 'yes')
    await laptop.devices.revoke(phoneId)
  }
  return { server, laptop, bob, id, speak }
}

const past = ['hi', 'by phone 1', 'by phone 2', 'yes', 'after']

t.test('A linked device reads what a revoked one had said, also if a message comes first', async (t) => {
  const { server, laptop, bob, id, speak } = await withoutPhone(t)
  await speak()
  await laptop.send(id, 'after')
  const tablet = await linkedDevice(t, server, laptop)
  const heard = await listening(t, tablet)
  await bob.send(id, 'new')
  await heard.message('new')
  t.strictSame(await told(tablet, id), [...past, 'new'])
})

t.test('A new device in its old store reads what a revoked one had said meanwhile', async (t) => {
  const { server, laptop, bob, id, speak } = await withoutPhone(t)
  const tablet = await fakeClient(t, server)
  const tabletId = await link(laptop, tablet)
  const before = await listening(t, tablet)
  await bob.send(id, 'before')
  await before.message('before')
  await before.stop()
  await speak()
  await laptop.devices.revoke(tabletId)
  await laptop.send(id, 'after')
  await link(laptop, tablet)
  const heard = await listening(t, tablet)
  await bob.send(id, 'new')
  await heard.message('new')
  t.strictSame(await told(tablet, id), ['hi', 'before', ...past.slice(1), 'new'])
})

t.test('A new device in its old store reads each conversation, whichever told it of a going', async (t) => {
  refillReadyKeys()
  const server = new FakeServer()
  const laptop = await fakeUser(t, server, 'alice')
  const phone = await fakeClient(t, server)
  const phoneId = await link(laptop, phone)
  const bob = await fakeUser(t, server, 'bob')
  const store = new MemoryStore()
  let tablet = await fakeClient(t, server, { store })
  const tabletId = await link(bob, tablet)
  const groups = [
    await laptop.conversations.createGroup('one', ['bob']),
    await laptop.conversations.createGroup('two', ['bob'])
  ]
  const [one, two] = [groups[0]!.id, groups[1]!.id]
  for (const id of [one, two]) await laptop.send(id, `before in ${id}`)
  const before = await listening(t, tablet)
  await before.message(`before in ${two}`)
  await before.stop()
  await tablet.close()
  const said = ['by phone 1', 'by phone 2']
  for (const id of [one, two]) for (const text of said) await phone.send(id, text)
  await laptop.devices.revoke(phoneId)
  tablet = await fakeClient(t, server, { store })
  await tablet.send(one, 'known')
  await tablet.close()
  await bob.devices.revoke(tabletId)
  tablet = await fakeClient(t, server, { store })
  await link(bob, tablet)
  const heard = await listening(t, tablet)
  for (const id of [one, two]) await laptop.send(id, `new in ${id}`)
  await heard.message(`new in ${two}`)
  const read = async (id: string) => (await told(tablet, id)).slice(1)
  t.strictSame(await read(one), [`before in ${one}`, ...said, 'known', `new in ${one}`])
  t.strictSame(await read(two), [`before in ${two}`, ...said, `new in ${two}`])
})

t.test(
  'A reset in the store of a revoked device begins at the end: it tells of nothing unreadable',
  async (t) => {
    refillReadyKeys()
    const server = new FakeServer()
    const alice = await fakeUser(t, server, 'alice')
    const bob = await fakeUser(t, server, 'bob')
    const { conversationId: id } = await alice.send({ username: 'bob' }, 'hi')
    const before = await listening(t, bob)
    await before.message('hi')
    await before.stop()
    const thief = await linkedDevice(t, server, bob)
    await thief.devices.revoke(bob.account!.deviceId)
    await alice.send(id, 'not for this device')
    await bob.devices.reset({ username: 'bob', password: PASSWORD })
    const heard = await listening(t, bob)
    const carol = await fakeUser(t, server, 'carol')
    await carol.send({ username: 'bob' }, 'end')
    await heard.message('end')
    t.notOk(heard.heard.some(({ type }) => type === 'unreadable'))
  }
)
