import t from 'tap'
import { newestKey } from '../support/interop/conversation-chain.js'
import type { Statement } from '../support/interop/chains.js'
import type { InteropClient } from '../support/interop/client.js'
import { renewKeys } from '../support/interop/crypto.js'
import type { ChatEvent } from '../support/interop/events.js'
import { expect, problem, type Message } from '../support/interop/http.js'
import { messageDigest } from '../support/interop/messages.js'
import { safetyNumber } from '../support/interop/numbers.js'
import { secondClient } from '../support/second-clients.js'
import { startChat } from '../support/start-chat.js'

/** Two clients that were written from docs/protocol.md only talk through the server. */
const { url, user } = await startChat(t)

/** A user whose device was made by hand: it has no KEM key. */
const byHand = (name: string) => secondClient(t, url, name, { kem: false })

/** Another device of a user, with a session of its own, that is not in the chain. */
const device = (of: InteropClient) => secondClient(t, url, of.username, { of })

async function says(client: InteropClient, id: string, text: string): Promise<void> {
  expect(await client.send(id, text), 201)
}

const named = (type: string) => (event: ChatEvent) => event.event === type

/** Both see the same chain, members and roster. */
async function sameView(id: string, ...clients: InteropClient[]): Promise<void> {
  const [first, ...others] = await Promise.all(clients.map((client) => client.chain(id)))
  for (const other of others) t.strictSame(other, first, 'each client derives the same from the chain')
}

t.test('Two users talk directly, one of them without a KEM key', async (t) => {
  const alice = await user('alice')
  const bob = await byHand('bob')
  const { id, answer } = await alice.createConversation('direct', ['bob'])
  expect(answer, 201)
  await says(alice, id, 'hello')
  await says(bob, id, 'hello yourself')
  t.strictSame(await alice.texts(id), ['hello', 'hello yourself'])
  t.strictSame(await bob.texts(id), ['hello', 'hello yourself'])
  await sameView(id, alice, bob)
  const { roster } = newestKey(await bob.chain(id))
  t.match(roster, [{ username: 'alice' }, { username: 'bob', kemFp: '-' }])

  const [first] = (await bob.history(id)) as [Message]
  const ref = { id: first.id, digest: messageDigest(first) }
  expect(await bob.send(id, { type: 'reaction', ref, text: '👍' }), 201)
  const [reaction] = (await alice.history(id)).slice(-1)
  t.match(await alice.open(reaction!), { type: 'reaction', n: 2, ref, text: '👍' })
  await t.rejects(alice.open(reaction!), { name: 'Refused' }, 'a message is shown once')
  const roots = [(await alice.user('bob')).root, (await bob.user('alice')).root] as const
  t.equal(safetyNumber(...roots), safetyNumber(roots[1], roots[0]))
})

t.test('A group changes, and each member follows', async (t) => {
  const [carol, dave, erin] = [await user('carol'), await byHand('dave'), await user('erin')]
  const { id, answer } = await carol.createConversation('group', ['dave'])
  expect(answer, 201)
  await says(dave, id, 'before')
  expect(await carol.addMember(id, 'erin'), 201)
  await says(erin, id, 'here I am')
  t.strictSame(await erin.texts(id), ['here I am'], 'not what was said before')
  expect(await carol.setRole(id, 'erin', 'admin'), 201)
  expect(await erin.setTimer(id, 3600), 201)
  expect(await erin.setRole(id, 'carol', 'member'), 201)
  await sameView(id, carol, dave, erin)
  t.match(await dave.chain(id), { messageTtl: 3600 })
  expect(await erin.removeMember(id, 'dave'), 201)
  await says(carol, id, 'without dave')
  t.equal(problem(await dave.raw('GET', `/v1/conversations/${id}/messages`)), 'conversation-not-found')
  t.equal(problem(await erin.leave(id)), 'last-admin')
  expect(await carol.leave(id), 201)
  await says(erin, id, 'only me')
  t.strictSame(await erin.texts(id), ['without dave', 'only me'])
  t.strictSame([...(await erin.chain(id)).members.keys()], ['erin'])
  t.strictSame(
    newestKey(await erin.chain(id)).roster.map(({ username }) => username),
    ['erin']
  )
})

t.test('A removed member comes back in one request', async (t) => {
  const [frank, grace] = [await user('frank'), await user('grace')]
  const { id } = await frank.createConversation('group', ['grace'])
  const { root } = await frank.user('grace')
  const changes = [
    ['remove', ['member', 'grace']],
    ['add', ['member', `grace admin ${root}`]]
  ] as const
  expect(await frank.change(id, changes), 201)
  await says(grace, id, 'back')
  t.strictSame(await frank.texts(id), ['back'])
  await sameView(id, frank, grace)
})

t.test('A device is linked, gets older keys, new keys of its own, and revokes the first one', async (t) => {
  const [heidi, ivan] = [await user('heidi'), await byHand('ivan')]
  const { id } = await heidi.createConversation('direct', ['ivan'])
  await says(heidi, id, 'one')
  const held = heidi.sessionKeys.get(heidi.currentKey.get(id)!)!
  const stream = await heidi.live()
  const phone = await device(heidi)
  expect(await phone.addDevice(), 202)
  const { data } = await stream.waitFor(named('device.requested'))
  const asked = data['statement'] as Statement
  t.equal(await phone.linkNumber(), await heidi.linkNumber(asked), 'both screens show one number')
  expect(await heidi.approve(asked), 200)
  expect(await phone.login(), 200)
  t.strictSame(await phone.fetchKeys(id), [], 'it has none of the older keys')
  const { encryptionKey, kemKey, signingFp } = phone.keys
  const reader = { deviceId: phone.deviceId, signingKey: signingFp, encryptionKey, kemKey }
  expect(await heidi.shareKey(held, [reader]), 201)
  t.strictSame(await phone.texts(id), ['one'])
  t.notOk(phone.currentKey.has(id), 'it is not in the roster of that key')

  await says(phone, id, 'two')
  expect(await phone.rekey(), 200)
  expect(await ivan.rekey(), 200)
  await says(ivan, id, 'three')
  expect(await phone.revoke(heidi.deviceId), 200)
  await says(ivan, id, 'four')
  t.strictSame(await phone.texts(id), ['two', 'three', 'four'])
  await sameView(id, phone, ivan)
  const { roster } = newestKey(await ivan.chain(id))
  t.match(roster, [
    { username: 'heidi', id: phone.deviceId, version: 2 },
    { username: 'ivan', version: 2, kemFp: '-' }
  ])
  t.equal((await ivan.user('heidi')).root, heidi.keys.signingFp, 'the root stays')
})

t.test('A device gets its first KEM key, and wraps for it are hybrid from then on', async (t) => {
  const [judy, kate] = [await user('judy'), await byHand('kate')]
  const { id } = await judy.createConversation('direct', ['kate'])
  await says(judy, id, 'plain')
  const plain = await kate.fetchKeys(id)
  expect(await kate.rekey(await renewKeys(kate.keys, { kem: true })), 200)
  await says(judy, id, 'hybrid')
  const sizes = (await kate.fetchKeys(id)).map(({ wrappedKey }) => Buffer.from(wrappedKey!, 'base64').length)
  t.equal(plain.length, 1)
  t.strictSame(sizes.sort(), [1088 + 256 + 48, 256])
  t.strictSame(await kate.texts(id), ['plain', 'hybrid'])
})

t.test('A user who resets is renewed, and reads what comes then', async (t) => {
  const [leo, lost] = [await user('leo'), await user('mike')]
  const { id } = await leo.createConversation('group', ['mike'])
  const before = safetyNumber((await leo.user('leo')).root, (await leo.user('mike')).root)
  await says(leo, id, 'one')
  const mike = await device(lost)
  expect(await mike.reset(), 201)
  expect(await mike.login(), 200)
  await says(leo, id, 'nobody hears')
  t.strictSame(
    newestKey(await leo.chain(id)).roster.map(({ username }) => username),
    ['leo'],
    'a stale member is in no roster'
  )
  t.equal(problem(await mike.leave(id)), 'not-in-roster')
  expect(await leo.renewMember(id, 'mike'), 201)
  await mike.skip(id)
  await says(mike, id, 'two')
  t.strictSame(await leo.texts(id), ['one', 'nobody hears', 'two'])
  t.strictSame(await mike.texts(id), ['two'])
  await sameView(id, leo, mike)
  t.not(safetyNumber((await mike.user('leo')).root, (await mike.user('mike')).root), before)
})

t.test('Devices of one user talk among themselves', async (t) => {
  const nina = await user('nina')
  const tablet = await device(nina)
  expect(await tablet.addDevice(nina.keys), 201)
  expect(await tablet.login(), 200)
  const { id, answer } = await tablet.createConversation('self', [])
  expect(answer, 201)
  await says(tablet, id, 'note')
  t.strictSame(await nina.texts(id), ['note'])
  await sameView(id, nina, tablet)
})
