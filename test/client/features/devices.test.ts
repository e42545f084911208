import t from 'tap'
import type { DeviceKeys } from '../../../src/client/identity/device-keys.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import { encodeBase64 } from '../../../src/crypto/encoding.js'
import { signStatement, statementHash } from '../../../src/crypto/statements.js'
import { wrapHash } from '../../../src/crypto/wraps.js'
import { statementText } from '../../../src/protocol/statement-texts.js'
import { client, failure, link, Listener, PASSWORD, registered, texts } from '../../support/chat-clients.js'
import { startChat } from '../../support/start-chat.js'

const { url } = await startChat(t)

t.test('A new device that another approves reads the past, and both write', async (t) => {
  const phone = await registered(t, url, 'alice')
  const bob = await registered(t, url, 'bob')
  const phones = new Listener(t, phone)
  await phones.first('connected')
  const { conversationId } = await phone.send({ username: 'bob' }, 'one')
  await bob.send(conversationId, 'two')

  const laptop = await client(t, url)
  const asked = await laptop.login({ username: 'alice', password: PASSWORD, deviceName: 'laptop' })
  if (asked.status !== 'pending') throw new Error('the device is active already')
  const { deviceId, linkNumber: number } = asked
  t.match(await phones.first('device-requested'), { deviceId, name: 'laptop' })
  t.equal(await phone.devices.linkNumber(deviceId), number)
  t.match(await failure(laptop.conversations.direct('bob')), { kind: 'usage', code: 'device-pending' })
  t.match(await failure(phone.devices.approve(deviceId, { number: '1'.repeat(60) })), {
    code: 'other-number'
  })
  const waiting = laptop.waitForApproval()
  await phone.devices.approve(deviceId, { number })
  await laptop.confirmLink(number)
  await waiting
  t.match(laptop.account, { status: 'active', deviceId })

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

t.test('A device learns that it was turned down, and a revoked one is logged out', async (t) => {
  const phone = await registered(t, url, 'anna')
  const ben = await registered(t, url, 'ben')
  const laptop = await client(t, url)
  const first = await laptop.login({ username: 'anna', password: PASSWORD })
  await phone.devices.reject(first.deviceId)
  t.match(await failure(laptop.waitForApproval()), { kind: 'logged-out' })
  const deviceId = await link(phone, laptop)
  const bens = new Listener(t, ben)
  const { conversationId } = await laptop.send({ username: 'ben' }, 'from the laptop')
  await bens.message('from the laptop')
  const laptops = new Listener(t, laptop)
  await laptops.first('connected')
  t.strictSame(await phone.devices.revoke(deviceId), { approved: [] })
  t.match(await failure(laptops.first('members')), { kind: 'logged-out' })
  await ben.send(conversationId, 'for the phone alone')
  t.strictSame(await texts(phone, conversationId), ['from the laptop', 'for the phone alone'])
  const who = { username: 'anna', password: PASSWORD }
  t.match(await failure(laptop.login(who)), { kind: 'untrusted', code: 'revoked' })
  t.match(await laptop.login({ ...who, asNewDevice: true }), { status: 'pending' }, 'it asks as a new one')
})

t.test('A device changes its encryption key and still reads; it may also forget the past', async (t) => {
  const adam = await registered(t, url, 'adam')
  const bella = await registered(t, url, 'bella')
  const { conversationId } = await adam.send({ username: 'bella' }, 'one')
  await bella.devices.rekey()
  await adam.send(conversationId, 'two')
  t.strictSame(await texts(bella, conversationId), ['one', 'two'])
  await bella.devices.rekey({ forgetPast: true })
  await adam.send(conversationId, 'three')
  await bella.send(conversationId, 'four')
  t.strictSame(await texts(bella, conversationId), ['unreadable', 'unreadable', 'three', 'four'])
  t.strictSame(await texts(adam, conversationId), ['one', 'two', 'three', 'four'])
})

t.test('A user who resets is a new identity: nothing is sent until it is accepted', async (t) => {
  const basil = await registered(t, url, 'basil')
  const lost = await registered(t, url, 'ada')
  const basils = new Listener(t, basil)
  await basils.first('connected')
  const { conversationId } = await lost.send({ username: 'basil' }, 'before')
  const { id: group } = await basil.conversations.createGroup('both', ['ada'])
  await basils.message('before')
  await basil.contacts.verify('ada', await lost.contacts.safetyNumber('basil'))
  t.match(await basil.contacts.list(), [{ username: 'ada', status: 'verified' }])
  await lost.close()

  const ada = await client(t, url)
  await ada.devices.reset({ username: 'ada', password: PASSWORD })
  const root = ada.account!.fingerprint
  t.match(await basils.first('identity-changed'), { username: 'ada', wasVerified: true, root })
  t.match(await failure(basil.send(conversationId, 'who is there?')), { kind: 'identity-changed' })
  t.match(await failure(basil.send(group, 'who is there?')), { kind: 'identity-changed' })
  t.match(await failure(ada.send(conversationId, 'me')), { code: 'not-in-roster' })
  t.match(await basil.contacts.get('ada'), { status: 'changed', wasVerified: true })

  await basil.contacts.accept('ada', { root })
  t.match((await basil.conversations.get(group)).members, [
    { username: 'ada', stale: true },
    { username: 'basil' }
  ])
  await basil.send(conversationId, 'welcome back')
  await basil.conversations.renew(group, 'ada')
  await basil.send(group, 'and here')
  t.strictSame(await texts(ada, conversationId), ['unreadable', 'welcome back'])
  await ada.send(conversationId, 'thanks')
  await basils.message('thanks')
  t.match(await basils.first('members', ({ change }) => change === 'renewed'), {
    username: 'ada',
    by: 'basil'
  })
})

t.test('A backup brings back everything on a new device, under the same identity', async (t) => {
  const betty = await registered(t, url, 'betty')
  const lost = await registered(t, url, 'amos')
  t.strictSame(await lost.backup.status(), { usable: false, reason: 'none' })
  const { conversationId } = await lost.send({ username: 'betty' }, 'before the backup')
  const first = await lost.backup.create()
  const { recoveryCode } = await lost.backup.create()
  if (first.recoveryCode === null || recoveryCode === null) throw new Error('no code')
  await betty.send(conversationId, 'after the backup')
  await lost.close()

  const who = { username: 'amos', password: PASSWORD }
  const hasty = await client(t, url)
  t.match(await failure(hasty.restore({ ...who, code: first.recoveryCode })), {
    kind: 'usage',
    code: 'wrong-secret'
  })
  const amos = await client(t, url)
  const restored = await amos.restore({ ...who, code: recoveryCode.toLowerCase() })
  t.match(restored.account, { status: 'active' })
  const withoutDevice = (await amos.sessions.list()).filter(({ deviceId }) => deviceId === null)
  t.strictSame(withoutDevice, [], 'restores, failed ones too, leave no session without a device')
  t.not(restored.recoveryCode, recoveryCode, 'the code that was typed in is replaced')
  t.strictSame(await texts(amos, conversationId), ['before the backup', 'after the backup'])
  await amos.send(conversationId, 'restored')
  t.strictSame(await texts(betty, conversationId), ['before the backup', 'after the backup', 'restored'])
  t.strictSame((await betty.contacts.get('amos')).status, 'unverified', 'the identity is the same')
  await amos.backup.remove()
  t.strictSame(await amos.backup.status(), { usable: false, reason: 'none' })
  t.equal((await amos.users.get('amos')).devices.length, 2, 'the lost device and the new one')
})

t.test('A device that waits for approval waits on when a restore is given up', async (t) => {
  const phone = await registered(t, url, 'carla')
  await phone.backup.create()
  const laptop = await client(t, url)
  const who = { username: 'carla', password: PASSWORD }
  const asked = await laptop.login(who)
  if (asked.status !== 'pending') throw new Error('the device is active already')
  const sessions = async () => (await phone.sessions.list()).map(({ id }) => id)
  const before = await sessions()
  const ask = () => Promise.reject(new Error('the person closes the dialog'))
  await t.rejects(laptop.restore({ ...who, ask }), { message: 'the person closes the dialog' })
  t.strictSame(await sessions(), before)
  const waiting = laptop.waitForApproval()
  await phone.devices.approve(asked.deviceId, { number: asked.linkNumber })
  await laptop.confirmLink(asked.linkNumber)
  await waiting
  t.match(laptop.account, { status: 'active', loggedIn: true })
})

t.test(
  'A backup opens all that its user could read, whatever other members post for its device',
  async (t) => {
    const store = new MemoryStore()
    const [alba, mallory] = [await registered(t, url, 'alba'), await registered(t, url, 'mallory', { store })]
    const { id } = await alba.conversations.createGroup('ops', ['mallory'])
    await mallory.send(id, 'worth keeping')
    const { recoveryCode } = await alba.backup.create()
    const { devices } = await mallory.users.get('alba')
    const recovery = devices.find(({ purpose }) => purpose === 'recovery')!

    const own = (await store.get<DeviceKeys>('device'))!
    const headers = { 'content-type': 'application/json' }
    const call = async (path: string, body?: object): Promise<Response> =>
      fetch(`${url}/v1/${path}`, { headers, ...(body && { method: 'POST', body: JSON.stringify(body) }) })
    const login = await call('auth/login', { username: 'mallory', password: PASSWORD, deviceId: own.id })
    const { accessToken } = (await login.json()) as { accessToken: string }
    Object.assign(headers, { authorization: `Bearer ${accessToken}` })
    const answer = await call(`conversations/${id}/session-keys`)
    const { items } = (await answer.json()) as { items: { id: string; statement: { text: string } }[] }
    t.ok(items.length > 0)
    for (const key of items) {
      const junk = Uint8Array.from({ length: 256 + 1088 + 48 }, () => 1)
      const text = statementText({
        kind: 'wrap-added',
        conversation: id,
        key: await statementHash(key.statement.text),
        reader: recovery.fingerprint,
        wrap: await wrapHash(encodeBase64(junk)),
        by: own.signing.fingerprint
      })
      const statement = await signStatement(text, own.signing)
      const wraps = [{ deviceId: recovery.id, wrappedKey: encodeBase64(junk), statement }]
      t.equal((await call(`conversations/${id}/session-keys/${key.id}/wraps`, { wraps })).status, 404)
    }

    await alba.close()
    const restored = await client(t, url)
    await restored.restore({ username: 'alba', password: PASSWORD, code: recoveryCode! })
    t.ok((await texts(restored, id)).includes('worth keeping'))
  }
)
