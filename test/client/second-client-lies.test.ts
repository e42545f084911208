import t, { type Test } from 'tap'
import type { InteropClient } from '../support/interop/client.js'
import { expect, type Message, type Sealed } from '../support/interop/http.js'
import { secondClient } from '../support/second-clients.js'
import { startChat } from '../support/start-chat.js'
import { tamperingProxy, type Answer } from '../support/tampering-proxy.js'

/** A second client behind a server that lies: an honest client of anybody's making refuses the same. */
const { url, user } = await startChat(t)
const proxy = await tamperingProxy(t, url)
const refusal = { name: 'Refused' }

const says = async (by: InteropClient, id: string, text: string) => expect(await by.send(id, text), 201)

/** Runs work while answers to this path are changed. */
async function lying<T>(path: RegExp, change: (body: Answer['body']) => void, work: () => Promise<T>) {
  proxy.tamper({ answer: (answer) => path.test(answer.path) && change(answer.body) })
  try {
    return await work()
  } finally {
    proxy.tamper({})
  }
}

const refuses = (
  t: Test,
  path: RegExp,
  change: (body: Answer['body']) => void,
  work: () => Promise<unknown>
) => lying(path, change, () => t.rejects(work(), refusal))

/** A message as the server would show it. */
const shown = (of: InteropClient, conversationId: string, position: number, sealed: Sealed): Message => ({
  ...sealed,
  conversationId,
  position,
  sender: { userId: of.userId, username: of.username, deviceId: of.deviceId },
  createdAt: new Date().toISOString()
})

t.test('A device that has gone signs nothing more, whatever the server shows', async (t) => {
  const [alice, bob] = [await user('alice'), await secondClient(t, proxy.url, 'bob')]
  const laptop = await secondClient(t, url, 'alice', { of: alice })
  expect(await laptop.addDevice(alice.keys), 201)
  expect(await laptop.login(), 200)
  const { id } = await alice.createConversation('direct', ['bob'])
  await says(laptop, id, 'one')
  const withheld = laptop.seal(id, 'kept back')
  await says(laptop, id, 'three')
  t.strictSame(await bob.texts(id), ['one', 'three'])
  const later = laptop.seal(id, 'written later')
  const { body } = laptop.makeKey(id, await laptop.roster(id))
  expect(await alice.revoke(laptop.deviceId), 200)
  await bob.user('alice')
  const last = (await bob.history(id)).at(-1)!.position

  t.equal((await bob.open(shown(laptop, id, last - 1, withheld))).text, 'kept back', 'it was written before')
  await t.rejects(bob.open(shown(laptop, id, last + 9, later)), refusal, 'behind the boundary')
  await t.rejects(
    bob.open(shown(laptop, id, last - 1, later)),
    refusal,
    'with a number above all that were seen'
  )
  const { head } = await bob.chain(id)
  const appended = (answer: Answer['body']) => void answer.items.push(body.statement)
  await refuses(t, /\/chain\?/, appended, () => bob.chain(id))
  t.equal((await bob.chain(id)).head, head)
  await says(alice, id, 'under another key')
  t.strictSame(await bob.texts(id), ['under another key'])
})

t.test('A member who was removed says nothing more under the older key', async (t) => {
  const [carol, dave] = [await user('carol'), await user('dave')]
  const erin = await secondClient(t, proxy.url, 'erin')
  const { id } = await carol.createConversation('group', ['dave', 'erin'])
  await dave.fetchKeys(id)
  await says(dave, id, 'one')
  t.strictSame(await erin.texts(id), ['one'])
  const late = dave.seal(id, 'after the removal')
  expect(await carol.removeMember(id, 'dave'), 201)
  await erin.chain(id)
  await t.rejects(erin.open(shown(dave, id, 10_000, late)), refusal)
  expect(await carol.addMember(id, 'dave'), 201)
  await t.rejects(erin.open(shown(dave, id, 10_000, late)), refusal, 'nor when they are in again')
  await says(dave, id, 'in again')
  t.strictSame(await erin.texts(id), ['in again'])
})

t.test('A chain that was cut, forked or kept back is refused', async (t) => {
  const [frank, grace] = [await user('frank'), await secondClient(t, proxy.url, 'grace')]
  const { id } = await frank.createConversation('direct', ['grace'])
  await grace.chain(id)
  const before = await frank.chain(id)
  const cut = (answer: Answer['body']) => void (answer.head = before.head)
  expect(await frank.newKey(id), 201)
  const keptBack = (answer: Answer['body']) => void answer.items.splice(0)
  await refuses(t, /\/chain\?/, keptBack, () => grace.chain(id))
  await grace.chain(id)
  await refuses(t, /\/chain\?/, cut, () => grace.chain(id))

  expect(await frank.rekey(), 200)
  expect(await frank.newKey(id), 201)
  const hide = (answer: Answer['body']) => {
    for (const page of answer.items) Object.assign(page, { items: [], head: grace.users.get('frank')!.head })
  }
  await refuses(t, /\/users\/chains/, hide, () => grace.chain(id))
  await grace.chain(id)
  const { head } = grace.users.get('frank')!
  const behind = (answer: Answer['body']) => void (answer.chain.head = before.head)
  await refuses(t, /\/users\/frank/, behind, () => grace.user('frank'))
  t.equal((await grace.user('frank')).head, head)
})

t.test('A session key that is not the one of the statement is refused', async (t) => {
  const [heidi, ivan] = [await user('heidi'), await secondClient(t, proxy.url, 'ivan')]
  const { id } = await heidi.createConversation('direct', ['ivan'])
  const { id: other } = await heidi.createConversation('group', ['ivan'])
  const [theirs] = await ivan.fetchKeys(other)
  const swapped = (answer: Answer['body']) => void (answer.items[0].wrappedKey = theirs!.wrappedKey)
  const moved = (answer: Answer['body']) => void (answer.items[0] = theirs)
  await refuses(t, /\/session-keys/, swapped, () => ivan.fetchKeys(id))
  await refuses(t, /\/session-keys/, moved, () => ivan.fetchKeys(id))
  await ivan.fetchKeys(id)
})

t.test('Devices and members that are shown beside the chains get no key', async (t) => {
  const [judy, kate] = [await secondClient(t, proxy.url, 'judy'), await user('kate')]
  const { id } = await judy.createConversation('direct', ['kate'])
  const ghost = (answer: Answer['body']) => void answer.members[1].devices.push(answer.members[0].devices[0])
  const swapped = (answer: Answer['body']) =>
    void (answer.members[1].devices[0].encryptionKey = answer.members[0].devices[0].encryptionKey)
  await refuses(t, /\/roster/, ghost, () => judy.newKey(id))
  const hidden = (answer: Answer['body']) => void answer.members.pop()
  await refuses(t, /\/roster/, hidden, () => judy.newKey(id))
  expect(await lying(/\/roster/, swapped, () => judy.newKey(id)), 201)
  await says(judy, id, 'for the right keys')
  t.strictSame(await kate.texts(id), ['for the right keys'])
  const profile = (answer: Answer['body']) => void (answer.root = judy.keys.signingFp)
  await refuses(t, /\/users\/kate/, profile, () => judy.user('kate'))
})
