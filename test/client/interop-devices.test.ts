import t from 'tap'
import { all, client, failure, Listener, PASSWORD, registered, texts } from '../support/chat-clients.js'
import type { Statement } from '../support/interop/chains.js'
import { newestKey } from '../support/interop/conversation-chain.js'
import type { InteropClient } from '../support/interop/client.js'
import type { EventStream } from '../support/interop/events.js'
import { expect, problem, type Message } from '../support/interop/http.js'
import { secondClient } from '../support/second-clients.js'
import { startChat } from '../support/start-chat.js'

const { url, user } = await startChat(t)

async function says(by: InteropClient, id: string, text: string): Promise<void> {
  expect(await by.send(id, text), 201)
}

async function deviceRequest(stream: EventStream): Promise<Statement> {
  const { data } = await stream.waitFor(({ event }) => event === 'device.requested', 'device.requested')
  return data['statement'] as Statement
}

/** Devices of the newest key. */
async function covered(by: InteropClient, id: string): Promise<string[]> {
  return newestKey(await by.chain(id))
    .roster.map((device) => device.id)
    .sort()
}

t.test('The SDK approves a device in a second client, which reads the past and revokes it', async (t) => {
  const phone = await registered(t, url, 'kate')
  const phones = new Listener(t, phone)
  const leo = await user('leo')
  const { conversationId: id } = await phone.send({ username: 'leo' }, 'one')
  await says(leo, id, 'two')
  const laptop = await secondClient(t, url, 'kate', { of: { password: PASSWORD } })
  expect(await laptop.addDevice(), 202)
  const { deviceId } = await phones.first('device-requested')
  t.equal(deviceId, laptop.deviceId)
  const number = await phone.devices.linkNumber(deviceId)
  t.equal(number, await laptop.linkNumber(), 'both screens show one number')
  await phone.devices.approve(deviceId, { number })
  expect(await laptop.login(), 200)
  t.strictSame(await laptop.texts(id), ['one', 'two'])
  t.notOk(laptop.currentKey.has(id), 'a device that was given a key later does not send under it')

  await says(leo, id, 'three')
  await phone.send(id, 'four')
  await says(laptop, id, 'five')
  t.match(await phones.message('five'), { own: true, from: { deviceId: laptop.deviceId } })
  t.strictSame(await laptop.texts(id), ['three', 'four', 'five'])
  t.strictSame(await texts(phone, id), ['one', 'two', 'three', 'four', 'five'])

  expect(await laptop.revoke(phone.account!.deviceId), 200)
  await says(laptop, id, 'six')
  t.match(await failure(all(phone.history(id))), { kind: 'logged-out' })
  t.strictSame(await leo.texts(id), ['one', 'two', 'three', 'four', 'five', 'six'])
  t.strictSame(await covered(leo, id), [laptop.deviceId, leo.deviceId].sort())
})

t.test('A second client approves a device in the SDK, and passes on the session keys', async (t) => {
  const old = await user('mike')
  const nina = await registered(t, url, 'nina')
  const requests = await old.live()
  const { id } = await old.createConversation('direct', ['nina'])
  await says(old, id, 'one')
  await nina.send(id, 'two')
  const phone = await client(t, url)
  const login = await phone.login({ username: 'mike', password: old.password })
  if (login.status !== 'pending') throw new Error('the device is active already')
  const asked = await deviceRequest(requests)
  const number = await old.linkNumber(asked)
  t.equal(login.linkNumber, number, 'both screens show one number')
  expect(await old.approve(asked), 200)
  await phone.confirmLink(number)
  await phone.waitForApproval()
  await phone.contacts.goOnAlone()
  const { signingFp, encryptionFp, kemFp } = (await old.user('mike')).active.get(login.deviceId)!
  const [encryptionKey, kemKey] = [encryptionFp, kemFp].map((fp) => old.knownKeys.get(fp)!)
  const reader = { deviceId: login.deviceId, signingKey: signingFp, encryptionKey: encryptionKey!, kemKey }
  for (const held of old.sessionKeys.values()) expect(await old.shareKey(held, [reader]), 201)
  t.strictSame(await texts(phone, id), ['one', 'two'])
  await phone.send(id, 'three')
  t.strictSame(await old.texts(id), ['one', 'two', 'three'])
  t.strictSame(await texts(nina, id), ['one', 'two', 'three'])
  t.match(await nina.contacts.get('mike'), { status: 'unverified' }, 'the identity is the same')

  await phone.devices.revoke(old.deviceId)
  t.equal(problem(await old.raw('GET', '/v1/users/me')), 'session-ended')
  await nina.send(id, 'four')
  t.strictSame(await texts(phone, id), ['one', 'two', 'three', 'four'])
})

t.test('Either side replaces its decryption keys, and reads on', async (t) => {
  const olga = await registered(t, url, 'olga')
  const paul = await secondClient(t, url, 'paul', { kem: false })
  const { conversationId: id } = await olga.send({ username: 'paul' }, 'one')
  expect(await paul.rekey(), 200)
  await olga.send(id, 'two')
  await olga.devices.rekey({ forgetPast: true })
  await says(paul, id, 'three')
  await olga.send(id, 'four')
  t.strictSame(await paul.texts(id), ['one', 'two', 'three', 'four'])
  t.strictSame(await texts(olga, id), ['unreadable', 'unreadable', 'three', 'four'])
})

t.test('A second client wraps for a key backup of the SDK, which restores all of it', async (t) => {
  const quentin = await user('quentin')
  const rosa = await registered(t, url, 'rosa')
  const { recoveryCode } = await rosa.backup.create()
  const { id } = await quentin.createConversation('direct', ['rosa'])
  await says(quentin, id, 'one')
  const purposes = newestKey(await quentin.chain(id)).roster.map(({ purpose }) => purpose)
  t.strictSame(purposes.sort(), ['chat', 'chat', 'recovery'])
  const tablet = await client(t, url)
  await tablet.restore({ username: 'rosa', password: PASSWORD, code: recoveryCode! })
  t.strictSame(await texts(tablet, id), ['one'])
  await tablet.send(id, 'two')
  t.strictSame(await quentin.texts(id), ['one', 'two'])
  t.equal((await quentin.user('rosa')).root, rosa.account!.fingerprint, 'the root stays')
})

t.test('A device of the SDK tells one in a second client whom it trusts', async (t) => {
  const [sue, tina] = [await registered(t, url, 'sue'), await user('tina')]
  const sues = new Listener(t, sue)
  await sue.contacts.verify('tina', await sue.contacts.safetyNumber('tina'))
  const laptop = await secondClient(t, url, 'sue', { of: { password: PASSWORD } })
  expect(await laptop.addDevice(), 202)
  const { deviceId } = await sues.first('device-requested')
  await sue.devices.approve(deviceId, { number: await sue.devices.linkNumber(deviceId) })
  expect(await laptop.login(), 200)
  await sue.flush()
  const stream = await laptop.live({ after: '0' })
  const { data } = await stream.waitFor(({ event }) => event === 'message', 'a message among the devices')
  const id = (data as unknown as Message).conversationId
  t.equal((await laptop.chain(id)).kind, 'self')
  const { root, sequence, head } = await laptop.user('tina')
  t.equal(root, tina.keys.signingFp)
  const isSet = ({ type, set }: Record<string, unknown>) => type === 'trust' && set !== undefined
  t.match((await laptop.read(id)).find(isSet), {
    users: { tina: { root, since: 1, sequence, head, decided: true, verified: true } },
    set: { part: 1, parts: 1 }
  })
})
