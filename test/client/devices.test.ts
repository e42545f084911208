import t from 'tap'
import { client, failure, Listener, PASSWORD, registered, texts } from '../support/chat-clients.js'
import { startChat } from '../support/start-chat.js'

t.test('A new device that another approves reads the past, and both write', async (t) => {
  const { url } = await startChat(t)
  const phone = await registered(t, url, 'alice')
  const bob = await registered(t, url, 'bob')
  const phones = new Listener(t, phone)
  await phones.first('connected')
  const { conversationId } = await phone.send({ username: 'bob' }, 'one')
  await bob.send(conversationId, 'two')

  const laptop = await client(t, url)
  const asked = await laptop.login({ username: 'alice', password: PASSWORD, deviceName: 'laptop' })
  if (asked.status !== 'pending') throw new Error('the device is active already')
  const request = await phones.first('device-requested')
  t.match(request, { deviceId: asked.deviceId, name: 'laptop', fingerprint: asked.fingerprint })
  t.match(await failure(laptop.conversations.direct('bob')), { kind: 'usage', code: 'device-pending' })
  const other = 'f'.repeat(64)
  t.match(await failure(phone.devices.approve(asked.deviceId, { fingerprint: other })), {
    code: 'swapped-key'
  })
  await Promise.all([laptop.waitForApproval(), phone.devices.approve(asked.deviceId, asked)])
  t.match(laptop.account, { status: 'active', deviceId: asked.deviceId })

  t.strictSame(await texts(laptop, conversationId), ['one', 'two'])
  const laptops = new Listener(t, laptop)
  await laptops.first('connected')
  await Promise.all([
    ...['p1', 'p2', 'p3'].map((text) => phone.send(conversationId, text)),
    ...['l1', 'l2', 'l3'].map((text) => laptop.send(conversationId, text))
  ])
  await bob.send(conversationId, 'end')
  await laptops.message('end')
  const read = await texts(bob, conversationId)
  t.strictSame([...read].sort(), ['one', 'two', 'p1', 'p2', 'p3', 'l1', 'l2', 'l3', 'end'].sort())
  t.strictSame(await texts(phone, conversationId), read)
  t.strictSame((await bob.contacts.get('alice')).status, 'unverified', 'the identity is the same')
  t.match(await phone.devices.list(), [{ current: true }, { name: 'laptop', status: 'active' }])
})

t.test('A device that is turned down is told, and one that is revoked is out', async (t) => {
  const { url } = await startChat(t)
  const phone = await registered(t, url, 'alice')
  const bob = await registered(t, url, 'bob')
  const laptop = await client(t, url)
  const first = await laptop.login({ username: 'alice', password: PASSWORD })
  await phone.devices.reject(first.deviceId)
  t.match(await failure(laptop.waitForApproval()), { kind: 'logged-out' })
  const asked = await laptop.login({ username: 'alice', password: PASSWORD })
  if (asked.status !== 'pending') throw new Error('the device is active already')
  await Promise.all([laptop.waitForApproval(), phone.devices.approve(asked.deviceId, asked)])
  const bobs = new Listener(t, bob)
  const { conversationId } = await laptop.send({ username: 'bob' }, 'from the laptop')
  await bobs.message('from the laptop')
  const laptops = new Listener(t, laptop)
  await laptops.first('connected')
  await phone.devices.revoke(asked.deviceId)
  t.match(await failure(laptops.first('members')), { kind: 'logged-out' })
  await bob.send(conversationId, 'for the phone alone')
  t.strictSame(await texts(phone, conversationId), ['from the laptop', 'for the phone alone'])
  t.match(
    await laptop.login({ username: 'alice', password: PASSWORD }),
    { status: 'pending' },
    'it asks as a new one'
  )
})

t.test('A device changes its encryption key and goes on reading; it may also forget the past', async (t) => {
  const { url } = await startChat(t)
  const alice = await registered(t, url, 'alice')
  const bob = await registered(t, url, 'bob')
  const { conversationId } = await alice.send({ username: 'bob' }, 'one')
  await bob.devices.rekey()
  await alice.send(conversationId, 'two')
  t.strictSame(await texts(bob, conversationId), ['one', 'two'])
  await bob.devices.rekey({ forgetPast: true })
  await alice.send(conversationId, 'three')
  await bob.send(conversationId, 'four')
  t.strictSame(await texts(bob, conversationId), ['unreadable', 'unreadable', 'three', 'four'])
  t.strictSame(await texts(alice, conversationId), ['one', 'two', 'three', 'four'])
})

t.test('A user who begins anew is a new identity: nothing is sent until it is accepted', async (t) => {
  const { url } = await startChat(t)
  const bob = await registered(t, url, 'bob')
  const lost = await registered(t, url, 'alice')
  const bobs = new Listener(t, bob)
  await bobs.first('connected')
  const { conversationId } = await lost.send({ username: 'bob' }, 'before')
  const { id: group } = await bob.conversations.createGroup('both', ['alice'])
  await bobs.message('before')
  await bob.contacts.verify('alice', await lost.contacts.safetyNumber('bob'))
  t.match(await bob.contacts.list(), [{ username: 'alice', status: 'verified' }])
  await lost.close()

  const alice = await client(t, url)
  await alice.devices.reset({ username: 'alice', password: PASSWORD })
  t.match(await bobs.first('identity-changed'), { username: 'alice', wasVerified: true })
  t.match(await failure(bob.send(conversationId, 'who is there?')), { kind: 'identity-changed' })
  t.match(await failure(bob.send(group, 'who is there?')), { kind: 'identity-changed' })
  t.match(await failure(alice.send(conversationId, 'me')), { code: 'unvouched-statement' })
  t.match(await bob.contacts.get('alice'), { status: 'changed', wasVerified: true })

  await bob.contacts.accept('alice')
  t.match((await bob.conversations.get(group)).members, [
    { username: 'alice', stale: true },
    { username: 'bob' }
  ])
  await bob.send(conversationId, 'welcome back')
  await bob.conversations.renew(group, 'alice')
  await bob.send(group, 'and here')
  t.strictSame(await texts(alice, conversationId), ['unreadable', 'welcome back'])
  await alice.send(conversationId, 'thanks')
  await bobs.message('thanks')
  t.match(await bobs.first('members', ({ change }) => change === 'renewed'), { username: 'alice', by: 'bob' })
})

t.test('A backup brings back everything on a new device, under the same identity', async (t) => {
  const { url } = await startChat(t)
  const bob = await registered(t, url, 'bob')
  const lost = await registered(t, url, 'alice')
  t.strictSame(await lost.backup.status(), { exists: false })
  const { conversationId } = await lost.send({ username: 'bob' }, 'before the backup')
  const first = await lost.backup.create()
  const { recoveryCode } = await lost.backup.create()
  if (first.recoveryCode === null || recoveryCode === null) throw new Error('no code')
  await bob.send(conversationId, 'after the backup')
  await lost.close()

  const who = { username: 'alice', password: PASSWORD }
  const hasty = await client(t, url)
  t.match(await failure(hasty.backup.restore({ ...who, code: first.recoveryCode })), {
    kind: 'usage',
    code: 'wrong-secret'
  })
  const alice = await client(t, url)
  t.match(await alice.backup.restore({ ...who, code: recoveryCode.toLowerCase() }), { status: 'active' })
  t.strictSame(await texts(alice, conversationId), ['before the backup', 'after the backup'])
  await alice.send(conversationId, 'restored')
  t.strictSame(await texts(bob, conversationId), ['before the backup', 'after the backup', 'restored'])
  t.strictSame((await bob.contacts.get('alice')).status, 'unverified', 'the identity is the same')
  await alice.backup.remove()
  t.strictSame(await alice.backup.status(), { exists: false })
  t.equal((await alice.users.get('alice')).devices.length, 2, 'the lost device and the new one')
})
