import t from 'tap'
import type { ChatClient } from '../../src/client/index.js'
import { all, client, failure, Listener, PASSWORD, registered, texts } from '../support/chat-clients.js'
import { anotherSession } from '../support/people.js'
import { startChat } from '../support/start-chat.js'
import type { Statement } from '../support/interop/chains.js'
import { safetyNumber } from '../support/interop/crypto.js'
import type { ChatEvent } from '../support/interop/events.js'
import { expect, problem, type Message } from '../support/interop/http.js'
import { InteropClient, type Content } from '../support/interop/client.js'

/** The other side is the interop client: it was written from `docs/protocol.md` only, on `node:crypto`. */
const { url, user } = await startChat(t)

/** How far each device has read each conversation. */
const places = new Map<string, number>()

/** The messages that a client has not read yet, oldest first, each verified and opened. */
async function news(interop: InteropClient, conversationId: string): Promise<Content[]> {
  const place = `${interop.deviceId} ${conversationId}`
  const messages = await interop.history(conversationId, places.get(place))
  const contents: Content[] = []
  for (const message of messages) contents.push(await interop.open(message))
  places.set(place, messages.at(-1)?.position ?? places.get(place) ?? 0)
  return contents
}

async function read(interop: InteropClient, conversationId: string): Promise<unknown[]> {
  return (await news(interop, conversationId)).map(({ text }) => text)
}

async function says(interop: InteropClient, conversationId: string, text: string): Promise<void> {
  expect(await interop.send(conversationId, text), 201)
}

/** A device of a user who has others, in the interop client. */
async function device(username: string, password: string): Promise<InteropClient> {
  const interop = await InteropClient.create(url, username, { password })
  t.teardown(() => interop.close())
  expect(await interop.login(false), 200)
  return interop
}

function sameNumber(of: ChatClient, interop: InteropClient): Promise<[sdk: string, interop: string]> {
  const own = of.account!.username
  return Promise.all([
    of.contacts.safetyNumber(interop.username),
    Promise.all([own, interop.username].map((name) => interop.user(name))).then(([one, other]) =>
      safetyNumber(one!.root, other!.root)
    )
  ])
}

const isMessage = ({ event }: ChatEvent): boolean => event === 'message'

t.test('The SDK starts a direct conversation with another client, and both talk', async (t) => {
  const alice = await registered(t, url, 'alice')
  const bob = await user('bob')
  const alices = new Listener(t, alice)
  const bobs = await bob.live()
  const { id, conversationId } = await alice.send({ username: 'bob' }, 'hello, whoever you are')
  const event = await bobs.waitFor(isMessage)
  t.match(await bob.open(event.data as unknown as Message), {
    type: 'text',
    text: 'hello, whoever you are',
    n: 1
  })
  await says(bob, conversationId, 'hello, SDK')
  t.match(await alices.message('hello, SDK'), { from: { username: 'bob', deviceId: bob.deviceId }, n: 1 })
  await alice.send(conversationId, { type: 'reaction', ref: id, text: '👍' })
  t.match((await news(await anotherSession(t, bob), conversationId)).at(-1), {
    type: 'reaction',
    ref: id,
    text: '👍',
    n: 2
  })
  const [one, other] = await sameNumber(alice, bob)
  t.equal(one, other)
})

t.test(
  'Another client starts a direct conversation, and each side uses the session keys of the other',
  async (t) => {
    const carol = await registered(t, url, 'carol')
    const dave = await user('dave')
    const carols = new Listener(t, carol)
    await carols.first('connected')
    const { id, answer } = await dave.createConversation('direct', ['carol'])
    expect(answer, 201)
    await says(dave, id, 'under the other client’s key')
    t.match(await carols.first('conversation'), { conversation: { id, kind: 'direct', title: 'dave' } })
    const { sessionKeyId } = await carols.message('under the other client’s key')
    t.equal(sessionKeyId, dave.currentKey.get(id))
    await carol.send(id, 'so am I')
    t.match(await dave.history(id), [{ sessionKeyId }, { sessionKeyId }])

    await carol.devices.rekey()
    await carol.send(id, 'under the SDK’s key')
    t.strictSame(await read(dave, id), ['under the other client’s key', 'so am I', 'under the SDK’s key'])
    await dave.fetchKeys(id)
    t.not(dave.currentKey.get(id), sessionKeyId)
    await says(dave, id, 'me too')
    t.equal((await carols.message('me too')).sessionKeyId, dave.currentKey.get(id))

    expect(await dave.newKey(id), 201)
    await carol.send(id, 'under whichever is newest')
    t.match((await dave.history(id)).at(-1), { sessionKeyId: dave.currentKey.get(id)! })
    t.strictSame(await read(dave, id), ['me too', 'under whichever is newest'])
  }
)

t.test('Another client joins a group that the SDK made, talks and leaves', async (t) => {
  const erin = await registered(t, url, 'erin')
  const frank = await registered(t, url, 'frank')
  const grace = await user('grace')
  const franks = new Listener(t, frank)
  const { id } = await erin.conversations.createGroup('Mixed', ['frank'])
  await frank.send(id, 'before')
  await erin.conversations.add(id, 'grace')
  await says(grace, id, 'here I am')
  await franks.message('here I am')
  await frank.send(id, 'welcome')
  t.strictSame(await read(grace, id), ['here I am', 'welcome'])
  await erin.conversations.setRole(id, 'grace', 'admin')
  expect(await grace.setRole(id, 'erin', 'member'), 201)
  t.match((await erin.conversations.get(id)).members, [
    { username: 'erin', role: 'member' },
    { username: 'frank', role: 'member' },
    { username: 'grace', role: 'admin' }
  ])
  expect(await grace.leave(id), 201)
  await frank.send(id, 'gone')
  t.equal((await grace.raw('GET', `/v1/conversations/${id}/messages`)).status, 404)
  t.strictSame(await texts(erin, id), ['message', 'before', 'here I am', 'welcome', 'gone'])
})

t.test('The SDK joins a group that another client made, talks and is removed', async (t) => {
  const heidi = await user('heidi')
  const ivan = await user('ivan')
  const judy = await registered(t, url, 'judy')
  const judys = new Listener(t, judy)
  await judys.first('connected')
  const { id, answer } = await heidi.createConversation('group', ['ivan'])
  expect(answer, 201)
  await says(heidi, id, 'before')
  expect(await heidi.addMember(id, 'judy'), 201)
  await says(heidi, id, 'with judy')
  await judys.message('with judy')
  await judy.send(id, 'hello all')
  t.strictSame(await read(ivan, id), ['before', 'with judy', 'hello all'])
  t.strictSame(await texts(judy, id), ['with judy', 'hello all'])
  expect(await heidi.removeMember(id, 'judy'), 201)
  await says(heidi, id, 'without judy')
  t.match(await judys.first('members', ({ change }) => change === 'removed'), {
    username: 'judy',
    by: 'heidi'
  })
  t.match(await judy.conversations.get(id), { joined: false })
  t.match(await failure(judy.send(id, 'let me in')), { code: 'conversation-not-found' })
  t.notOk(judys.texts().includes('without judy'))
})

t.test(
  'The SDK approves a device of the same user in another client, which then reads the past',
  async (t) => {
    const phone = await registered(t, url, 'kate')
    const phones = new Listener(t, phone)
    const leo = await user('leo')
    const { conversationId } = await phone.send({ username: 'leo' }, 'one')
    await says(leo, conversationId, 'two')
    const laptop = await device('kate', PASSWORD)
    expect(await laptop.addDevice(), 202)
    const asked = await phones.first('device-requested')
    t.match(asked, { deviceId: laptop.deviceId, fingerprint: laptop.keys.signingFp })
    await phone.devices.approve(asked.deviceId, asked)
    expect(await laptop.login(), 200)
    t.strictSame(await read(laptop, conversationId), ['one', 'two'])

    laptop.currentKey.clear()
    await says(leo, conversationId, 'three')
    await phone.send(conversationId, 'four')
    await laptop.fetchKeys(conversationId)
    await says(laptop, conversationId, 'five')
    t.match(await phones.message('five'), { own: true, from: { deviceId: laptop.deviceId } })
    t.strictSame(await read(laptop, conversationId), ['three', 'four', 'five'])
    t.strictSame(await texts(phone, conversationId), ['one', 'two', 'three', 'four', 'five'])

    expect(await laptop.revoke(phone.account!.deviceId), 200)
    await says(laptop, conversationId, 'six')
    t.match(await failure(all(phone.history(conversationId))), { kind: 'logged-out' })
    t.strictSame(await read(leo, conversationId), ['one', 'two', 'three', 'four', 'five', 'six'])
  }
)

t.test('A device in another client approves one of the SDK, and passes on the session keys', async (t) => {
  const old = await user('mike')
  const nina = await registered(t, url, 'nina')
  const requests = await old.live()
  const { id } = await old.createConversation('direct', ['nina'])
  await says(old, id, 'one')
  await nina.send(id, 'two')
  const phone = await client(t, url)
  const asked = await phone.login({ username: 'mike', password: old.password })
  if (asked.status !== 'pending') throw new Error('the device is active already')
  const request = await requests.waitFor(({ event }) => event === 'device.requested')
  const statement = request.data['statement'] as Statement
  t.ok(
    statement.text.includes(`\nsigning-key ${asked.fingerprint}\n`),
    'the person compares the fingerprints'
  )
  const approved = phone.waitForApproval()
  expect(await old.approve(statement), 200)
  await approved
  const { encryptionKeys } = await old.user('mike')
  const covered = { deviceId: asked.deviceId, signingKey: asked.fingerprint }
  for (const held of old.sessionKeys.values())
    expect(
      await old.shareKey(held, [{ ...covered, encryptionKey: encryptionKeys.get(asked.deviceId)! }]),
      201
    )
  t.strictSame(await texts(phone, id), ['one', 'two'])
  await phone.send(id, 'three')
  t.strictSame(await read(old, id), ['one', 'two', 'three'])
  t.strictSame(await texts(nina, id), ['one', 'two', 'three'])
  t.match(await nina.contacts.get('mike'), { status: 'unverified' }, 'the identity is the same')

  await phone.devices.revoke(old.deviceId)
  t.equal(problem(await old.raw('GET', '/v1/users/me')), 'session-ended')
  await nina.send(id, 'four')
  t.strictSame(await texts(phone, id), ['one', 'two', 'three', 'four'])
})

t.test('Either side replaces its encryption key, and reads on', async (t) => {
  const olga = await registered(t, url, 'olga')
  const paul = await user('paul')
  const { conversationId } = await olga.send({ username: 'paul' }, 'one')
  expect(await paul.rekey(), 200)
  await olga.send(conversationId, 'two')
  await olga.devices.rekey({ forgetPast: true })
  await says(paul, conversationId, 'three')
  await olga.send(conversationId, 'four')
  t.strictSame(await read(paul, conversationId), ['one', 'two', 'three', 'four'])
  t.strictSame(await texts(olga, conversationId), ['unreadable', 'unreadable', 'three', 'four'])
})

t.test(
  'A user who resets in another client is another identity to the SDK, until it is accepted',
  async (t) => {
    const rita = await registered(t, url, 'rita')
    const ritas = new Listener(t, rita)
    const lost = await user('sam')
    const { conversationId } = await rita.send({ username: 'sam' }, 'one')
    const [before, same] = await sameNumber(rita, lost)
    t.equal(before, same)
    await rita.contacts.verify('sam', same)
    const sam = await device('sam', lost.password)
    expect(await sam.reset(), 201)
    expect(await sam.login(), 200)
    t.match(await ritas.first('identity-changed'), { username: 'sam', wasVerified: true })
    t.match(await failure(rita.send(conversationId, 'two')), { kind: 'identity-changed' })
    const [now, shown] = await sameNumber(rita, sam)
    t.equal(now, shown)
    t.not(now, before)
    await rita.contacts.verify('sam', shown)
    await rita.send(conversationId, 'two')
    await says(sam, conversationId, 'three')
    await ritas.message('three')
    places.set(`${sam.deviceId} ${conversationId}`, (await sam.history(conversationId))[0]!.position)
    t.strictSame(await read(sam, conversationId), ['two', 'three'])
  }
)
