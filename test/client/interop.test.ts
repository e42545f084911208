import t, { type Test } from 'tap'
import type { ChatClient } from '../../src/client/index.js'
import { client, failure, Listener, PASSWORD, registered, texts } from '../support/chat-clients.js'
import { newestKey } from '../support/interop/conversation-chain.js'
import type { InteropClient } from '../support/interop/client.js'
import { expect, type Message } from '../support/interop/http.js'
import { messageDigest } from '../support/interop/messages.js'
import { safetyNumber } from '../support/interop/numbers.js'
import { secondClient } from '../support/second-clients.js'
import { startChat } from '../support/start-chat.js'

/** The other side is the second client: it was written from `docs/protocol.md` only, on `node:crypto`. */
const { url, user } = await startChat(t)

async function says(by: InteropClient, id: string, text: string): Promise<void> {
  expect(await by.send(id, text), 201)
}

/** Both have verified the same chain to the same end, with the same members. */
async function sameView(t: Test, id: string, sdk: ChatClient, second: InteropClient): Promise<void> {
  const { chain } = await second.roster(id)
  const { head, members, messageTtl } = await sdk.conversations.get(id)
  const lines = [...chain.members].map(([username, { role }]) => `${username} ${role}`)
  t.strictSame([head, messageTtl], [chain.head, chain.messageTtl], 'one chain on both sides')
  t.strictSame(members.map(({ username, role }) => `${username} ${role}`).sort(), lines.sort())
}

/** The newest key's devices, each with whether it has a KEM key. */
async function covered(second: InteropClient, id: string): Promise<string[]> {
  const { roster } = newestKey(await second.chain(id))
  return roster.map(({ username, kemFp }) => `${username} ${kemFp === '-' ? 'RSA' : 'hybrid'}`).sort()
}

async function sameNumber(t: Test, sdk: ChatClient, second: InteropClient): Promise<string> {
  const own = await second.user(sdk.account!.username)
  const number = safetyNumber(own.root, (await second.user(second.username)).root)
  t.equal(await sdk.contacts.safetyNumber(second.username), number, 'one safety number on both sides')
  return number
}

t.test('The SDK starts a direct conversation with a second client, and both talk', async (t) => {
  const alice = await registered(t, url, 'alice')
  const bob = await user('bob')
  const alices = new Listener(t, alice)
  const bobs = await bob.live()
  const { conversationId: id } = await alice.send({ username: 'bob' }, 'hello, whoever you are')
  const event = await bobs.waitFor(({ event }) => event === 'message')
  const message = event.data as unknown as Message
  t.match(await bob.open(message), { type: 'text', text: 'hello, whoever you are', n: 1 })
  const ref = { id: message.id, digest: messageDigest(message) }
  expect(await bob.send(id, { type: 'reaction', ref, text: '👍' }), 201)
  const reaction = await alices.first('message', ({ content }) => content.type === 'reaction')
  t.match(reaction, { from: { username: 'bob', deviceId: bob.deviceId }, n: 1, content: { ref, text: '👍' } })
  await says(bob, id, 'hello, SDK')
  const { id: bobsId, digest } = await alices.message('hello, SDK')
  await alice.send(id, { type: 'reaction', ref: { id: bobsId, digest }, text: '👋' })
  await bob.skip(id)
  const last = (await bob.history(id)).at(-1)!
  t.match(await bob.open(last), { type: 'reaction', n: 2, ref: { id: bobsId, digest }, text: '👋' })
  t.equal(digest, messageDigest((await bob.history(id)).find((one) => one.id === bobsId)!))
  await sameView(t, id, alice, bob)
  await sameNumber(t, alice, bob)
  t.strictSame(await covered(bob, id), ['alice hybrid', 'bob hybrid'])
})

t.test('A second client without a KEM key starts one, and each side uses keys of the other', async (t) => {
  const carol = await registered(t, url, 'carol')
  const dave = await secondClient(t, url, 'dave', { kem: false })
  const carols = new Listener(t, carol)
  await carols.first('connected')
  const { id, answer } = await dave.createConversation('direct', ['carol'])
  expect(answer, 201)
  await says(dave, id, 'under the second client’s key')
  t.match(await carols.first('conversation'), { conversation: { id, kind: 'direct', title: 'dave' } })
  const { key } = await carols.message('under the second client’s key')
  t.equal(key, newestKey(await dave.chain(id)).hash)
  await carol.send(id, 'so am I')
  t.match(await dave.history(id), [{ key }, { key }])
  t.strictSame(await covered(dave, id), ['carol hybrid', 'dave RSA'])
  t.match(await carol.conversations.classicalDevices(id), [{ username: 'dave', deviceId: dave.deviceId }])

  await carol.devices.rekey()
  await carol.send(id, 'under the SDK’s key')
  t.strictSame(await dave.texts(id), ['under the second client’s key', 'so am I', 'under the SDK’s key'])
  await dave.fetchKeys(id)
  const newer = newestKey(await dave.chain(id))
  t.not(newer.hash, key)
  await says(dave, id, 'me too')
  t.equal((await carols.message('me too')).key, newer.hash)

  expect(await dave.newKey(id), 201)
  await carol.send(id, 'under whichever is newest')
  t.equal((await dave.history(id)).at(-1)!.key, newestKey(await dave.chain(id)).hash)
  t.strictSame(await dave.texts(id), ['me too', 'under whichever is newest'])
  await sameView(t, id, carol, dave)
})

t.test('A second client joins a group that the SDK made, talks, administers and leaves', async (t) => {
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
  t.strictSame(await grace.texts(id), ['Mixed', 'here I am', 'welcome'])
  await erin.conversations.setRole(id, 'grace', 'admin')
  expect(await grace.setRole(id, 'erin', 'member'), 201)
  expect(await grace.setTimer(id, 86_400), 201)
  t.match((await erin.conversations.get(id)).members, [
    { username: 'erin', role: 'member' },
    { username: 'frank', role: 'member' },
    { username: 'grace', role: 'admin' }
  ])
  await sameView(t, id, erin, grace)
  expect(await grace.setRole(id, 'frank', 'admin'), 201)
  expect(await grace.leave(id), 201)
  await franks.first('members', ({ change, username }) => change === 'left' && username === 'grace')
  await frank.send(id, 'gone')
  t.equal((await grace.raw('GET', `/v1/conversations/${id}/messages`)).status, 404)
  t.strictSame((await texts(erin, id)).slice(1), ['before', 'message', 'here I am', 'welcome', 'gone'])
})

t.test('The SDK joins a group that a second client made, talks, is removed and comes back', async (t) => {
  const heidi = await user('heidi')
  const ivan = await secondClient(t, url, 'ivan', { kem: false })
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
  t.strictSame(await ivan.texts(id), ['before', 'with judy', 'hello all'])
  await sameView(t, id, judy, ivan)
  expect(await heidi.removeMember(id, 'judy'), 201)
  await says(heidi, id, 'without judy')
  t.match(await judys.first('members', ({ change }) => change === 'removed'), {
    username: 'judy',
    by: 'heidi'
  })
  t.match(await judy.conversations.get(id), { joined: false })
  t.match(await failure(judy.send(id, 'let me in')), { code: 'conversation-not-found' })
  expect(await heidi.addMember(id, 'judy', 'admin'), 201)
  await says(heidi, id, 'again with judy')
  await judys.message('again with judy')
  await judy.conversations.remove(id, 'ivan')
  await judy.send(id, 'without ivan')
  t.strictSame((await heidi.texts(id)).slice(-2), ['again with judy', 'without ivan'])
  t.notOk(judys.texts().includes('without judy'))
  t.strictSame(await covered(heidi, id), ['heidi hybrid', 'judy hybrid'])
  await sameView(t, id, judy, heidi)
})

t.test(
  'A user who resets in a second client is another identity to the SDK, which renews them',
  async (t) => {
    const rita = await registered(t, url, 'rita')
    const ritas = new Listener(t, rita)
    const lost = await user('sam')
    const { conversationId: id } = await rita.send({ username: 'sam' }, 'one')
    const before = await sameNumber(t, rita, lost)
    await rita.contacts.verify('sam', before)
    const sam = await secondClient(t, url, 'sam', { of: lost })
    expect(await sam.reset(), 201)
    expect(await sam.login(), 200)
    t.match(await ritas.first('identity-changed'), { username: 'sam', wasVerified: true })
    t.match(await failure(rita.send(id, 'two')), { kind: 'identity-changed' })
    const now = await sameNumber(t, rita, sam)
    t.not(now, before)
    await rita.contacts.verify('sam', now)
    await rita.conversations.renew(id, 'sam')
    await rita.send(id, 'two')
    await says(sam, id, 'three')
    await ritas.message('three')
    await sam.skip(id)
    await rita.send(id, 'four')
    t.strictSame(await sam.texts(id), ['four'])
    await sameView(t, id, rita, sam)
  }
)

t.test('A second client renews a user who has reset in the SDK', async (t) => {
  const tom = await user('tom')
  await registered(t, url, 'uma')
  const { id } = await tom.createConversation('group', ['uma'])
  await says(tom, id, 'one')
  const uma = await client(t, url)
  await uma.login({ username: 'uma', password: PASSWORD })
  await uma.devices.reset({ username: 'uma', password: PASSWORD })
  await says(tom, id, 'nobody hears')
  t.strictSame(await covered(tom, id), ['tom hybrid'])
  expect(await tom.renewMember(id, 'uma'), 201)
  const umas = new Listener(t, uma)
  await umas.first('connected')
  await says(tom, id, 'two')
  await umas.message('two')
  await uma.send(id, 'three')
  t.strictSame(await tom.texts(id), ['one', 'nobody hears', 'two', 'three'])
  await sameView(t, id, uma, tom)
})
