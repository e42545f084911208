import t, { type Test } from 'tap'
import { PASSWORD, textOf } from '../../support/chat-clients.js'
import { hijack } from '../../support/malicious-server.js'
import { useReadyKeys } from '../../support/ready-keys.js'
import { shortenWaits } from '../../support/short-waits.js'
import type { Device } from './device.js'
import { honestWatch, populated } from './honest.js'
import { link } from './steps.js'
import { lose } from './lost-answers.js'
import type { World } from './world.js'

useReadyKeys()
shortenWaits(t)

interface Scene {
  world: World
  alice: Device
  bob: Device
  carol: Device
  /** A group of the three, of which alice is the admin. */
  group: string
}

/** An honest server, and people who hear of nothing wrong. */
async function scene(t: Test): Promise<Scene> {
  const world = await populated()
  t.teardown(() => world.close())
  world.watches.push(honestWatch(world))
  const [alice, bob, carol] = world.devices
  return { world, alice: alice!, bob: bob!, carol: carol!, group: world.conversations[0]! }
}

const reset = ({ chat, person }: Device) => chat.devices.reset({ username: person.name, password: PASSWORD })

async function linked(world: World, first: Device): Promise<Device> {
  const phone = await world.addDevice(first.person)
  await link(first, phone)
  return phone
}

async function hears(device: Device, text: string): Promise<boolean> {
  await device.read()
  return device.heard.some((event) => textOf(event) === text)
}

t.test(
  'A user who resets while somebody makes a session key for them is met with the new keys',
  async (t) => {
    const { world, bob, carol } = await scene(t)
    const lie = async ({ path }: { path: string }) => {
      if (path !== '/v1/users/bob') return
      world.server.lies.splice(world.server.lies.indexOf(lie), 1)
      await reset(bob)
    }
    world.server.lies.push(lie)
    await t.rejects(carol.chat.send({ username: 'bob' }, 'to the old one'), { code: 'identity-changed' })
    await carol.chat.contacts.accept('bob', { root: bob.chat.account!.fingerprint })
    await carol.chat.send({ username: 'bob' }, 'to the new one')
    t.ok(await hears(bob, 'to the new one'))
  }
)

t.test('A reset that an earlier session has sent gives the next session its device', async (t) => {
  const { world, bob, carol } = await scene(t)
  const lost = { code: 'database-unavailable' }
  await t.rejects(
    lose(world, 'after', () => reset(bob)),
    lost
  )
  const sent = world.server.requireUser('bob').root
  await reset(bob)
  t.equal(bob.chat.account!.fingerprint, sent, 'the first reset is the only one')
  await carol.chat.contacts.get('bob')
  await carol.chat.contacts.accept('bob', { root: bob.chat.account!.fingerprint })
  await carol.chat.send({ username: 'bob' }, 'do you read me?')
  t.ok(await hears(bob, 'do you read me?'))
})

t.test('A reset whose request was lost is made by the next flush, and displaces nobody', async (t) => {
  const { world, alice, bob, carol } = await scene(t)
  await t.rejects(
    lose(world, 'before', () => reset(bob)),
    { code: 'database-unavailable' }
  )
  await alice.chat.conversations.createGroup('for the old device', ['bob', 'carol'])
  await bob.read()
  t.equal(bob.chat.account!.fingerprint, world.server.requireUser('bob').root)
  await carol.chat.contacts.get('bob')
  await carol.chat.contacts.accept('bob', { root: bob.chat.account!.fingerprint })
  await carol.chat.send({ username: 'bob' }, 'do you read me?')
  t.ok(await hears(bob, 'do you read me?'))
  t.notOk(bob.heard.some(({ type }) => type === 'untrusted'))
})

t.test('Two processes of a device that replace its keys at once lose none of them', async (t) => {
  const { world, alice, bob, group } = await scene(t)
  const other = await world.addDevice(alice.person, alice.store)
  let isFirst = true
  world.server.lies.push(async ({ path }) => {
    if (!path.endsWith('/encryption-key') || !isFirst) return
    isFirst = false
    await other.chat.devices.rekey()
  })
  await alice.chat.devices.rekey()
  await bob.chat.send(group, 'under the new keys')
  t.ok(await hears(alice, 'under the new keys'))
})

t.test('A device reads what was sent before its user left the group', async (t) => {
  const { world, alice, bob, carol, group } = await scene(t)
  const phone = await linked(world, bob)
  await alice.chat.send(group, 'to all')
  await bob.chat.conversations.leave(group)
  await alice.chat.send(group, 'without bob')
  await carol.chat.send({ username: 'bob' }, 'to bob')
  t.ok(await hears(phone, 'to bob'))
  t.ok(await hears(phone, 'to all'))
  t.notOk(phone.heard.some(({ type }) => type === 'unreadable'))
})

t.test('A user who leaves hears afterwards what came before', async (t) => {
  const { world, alice, bob, group } = await scene(t)
  const phone = await linked(world, bob)
  await alice.chat.send(group, 'to all')
  const { id } = await bob.chat.conversations.createGroup('mine', ['alice'])
  await bob.chat.conversations.setRole(id, 'alice', 'admin')
  await phone.chat.send(id, 'from the phone')
  await bob.chat.conversations.leave(id)
  await alice.chat.conversations.remove(group, 'bob')
  for (const device of [bob, phone, alice]) t.ok(await hears(device, 'from the phone'), device.label)
  for (const device of [bob, phone]) t.ok(await hears(device, 'to all'), device.label)
  for (const { heard } of [alice, bob, phone]) t.notOk(heard.some(({ type }) => type === 'unreadable'))
})

t.test('A device that has gone since made and changed a group that a client sees first', async (t) => {
  const { world, bob, carol } = await scene(t)
  const phone = await linked(world, carol)
  const { id } = await phone.chat.conversations.createGroup('new', ['alice', 'bob'])
  await phone.chat.send(id, 'come in')
  await phone.chat.conversations.remove(id, 'bob')
  await carol.chat.devices.revoke(phone.id)
  await carol.chat.users.get('bob')
  await bob.chat.contacts.get('carol')
  t.ok(await hears(bob, 'come in'))
  t.notOk(bob.heard.some(({ type }) => ['untrusted', 'unreadable'].includes(type)))
})

t.test('A key that was forwarded for keys which the person has destroyed is no alarm', async (t) => {
  const { world, bob, carol, group } = await scene(t)
  await carol.chat.send(group, 'before the phone')
  const phone = await linked(world, bob)
  await phone.forgetWith(() => phone.chat.devices.rekey({ forgetPast: true }))
  for (let times = 1; times <= 2; times++) {
    world.time += 8 * 86_400_000
    await carol.chat.send(group, `${times} weeks later`)
    t.ok(await hears(phone, `${times} weeks later`))
    await phone.chat.devices.rekey()
  }
  await carol.chat.send(group, 'at the end')
  t.ok(await hears(phone, 'at the end'))
  t.notOk(phone.heard.some(({ type }) => type === 'untrusted'))
})

t.test('Changes by a device that has gone since count for those who hear of both at once', async (t) => {
  const { alice, bob, carol, group } = await scene(t)
  await bob.chat.conversations.leave(group)
  // Carol does not hear this, since they share no conversation.
  await bob.chat.devices.rekey()
  await alice.chat.conversations.add(group, 'bob', 'admin')
  await bob.read()
  await bob.chat.conversations.setTimer(group, 60)
  await bob.chat.devices.revoke(bob.id)
  await carol.read()
  t.equal((await carol.chat.conversations.get(group)).messageTtl, 60)
})

t.test('A device that has gone is heard with all that it said before', async (t) => {
  const { world, alice, bob, carol } = await scene(t)
  const phone = await linked(world, bob)
  const { id } = await phone.chat.conversations.createGroup('new', ['alice', 'carol'])
  await phone.chat.send(id, 'goodbye')
  await bob.chat.devices.revoke(phone.id)
  for (const reader of [alice, carol]) {
    // The look at the chain is before the stream, which brings the group first.
    await reader.chat.users.get('bob')
    t.ok(await hears(reader, 'goodbye'))
  }
})

t.test('A device misses no message that was sent between its approval and its first event', async (t) => {
  const { world, alice, bob, group } = await scene(t)
  const phone = await world.addDevice(bob.person)
  const login = await phone.chat.login({ username: 'bob', password: PASSWORD })
  if (login.status !== 'pending') throw new Error('the device does not wait')
  const { linkNumber: number } = login
  await bob.chat.devices.approve(login.deviceId, { number })
  await alice.read()
  await alice.chat.send(group, 'before the person confirms')
  await phone.chat.confirmLink(number)
  await phone.chat.waitForApproval()
  await alice.chat.send(group, 'after that')
  t.ok(await hears(phone, 'after that'))
})

t.test('A device talks on with all whom it knows when the one that had approved it is revoked', async (t) => {
  const { world, alice, bob, carol, group } = await scene(t)
  const phone = await linked(world, carol)
  await alice.chat.devices.revoke(alice.id)
  await phone.read()
  await carol.chat.devices.revoke(carol.id)
  await phone.read()
  await phone.chat.send(group, 'who is left?')
  t.ok(await hears(bob, 'who is left?'))
})

t.test('A device that has heard of a user trusts no other root when it meets them', async (t) => {
  const { world, carol } = await scene(t)
  await carol.chat.contacts.get('dave')
  const phone = await linked(world, carol)
  await carol.read()
  await phone.read()
  t.notOk(await phone.chat.contacts.isWaiting())
  await hijack(world.server.requireUser('dave'))
  await t.rejects(phone.chat.send({ username: 'dave' }, 'a secret'), { code: 'identity-changed' })
})

t.test('A device that hears elsewhere that its user was removed still reads what came before', async (t) => {
  const { world, alice, bob, group } = await scene(t)
  await bob.chat.send(group, 'before')
  await alice.chat.conversations.remove(group, 'bob')
  await bob.chat.devices.rekey()
  t.ok(await hears(bob, 'before'))
  t.equal(world.server.conversations.get(group)!.members.has('bob'), false)
})
