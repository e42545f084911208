import t, { type Test } from 'tap'
import type { ChatClient } from '../../../src/client/client.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import { client, failure, link, Listener, PASSWORD, registered, texts } from '../../support/chat-clients.js'
import { startChat } from '../../support/start-chat.js'

const chat = await startChat(t)
const { url } = chat
const NEW = 'a quite different pass phrase'

async function phoneOf(t: Test, owner: ChatClient): Promise<ChatClient> {
  const phone = await client(t, url)
  await link(owner, phone, 'phone')
  return phone
}

const member = async (of: ChatClient, id: string, username: string) =>
  (await of.conversations.get(id)).members.find((one) => one.username === username)

t.test('After a change of the password other devices go on with their keys', async (t) => {
  const alice = await registered(t, url, 'alice')
  const phone = await phoneOf(t, alice)
  const { recoveryCode } = await alice.backup.create()
  const wrong = { currentPassword: 'a wrong pass phrase', newPassword: NEW }
  t.match(await failure(alice.changePassword(wrong)), { kind: 'refused', code: 'wrong-password' })
  const change = { currentPassword: PASSWORD, newPassword: NEW }
  t.strictSame(await alice.changePassword(change), { revoked: [] })
  t.strictSame(await alice.changePassword(change), { revoked: [] }, 'the same again does no harm')
  t.equal((await phone.devices.list()).length, 3)
  t.match(await phone.sessions.list(), [{ method: 'device', current: true }, {}])
  const laptop = await client(t, url)
  await laptop.restore({ username: 'alice', password: NEW, code: recoveryCode! })
  t.equal(laptop.account?.status, 'active', 'the backup opens with its own code')
})

t.test('A change of the password can revoke all other devices, and keeps the backup', async (t) => {
  const bob = await registered(t, url, 'bob')
  const phone = await phoneOf(t, bob)
  await bob.backup.create()
  const change = { currentPassword: PASSWORD, newPassword: NEW, revokeOthers: true }
  t.match((await bob.changePassword(change)).revoked, [{ name: 'phone' }])
  t.match(await bob.devices.list(), [
    { status: 'active' },
    { status: 'active', purpose: 'recovery' },
    { status: 'revoked' }
  ])
  t.equal((await failure(phone.users.find('ali'))).kind, 'logged-out')
  t.match(await bob.backup.status(), { usable: true })
})

t.test('Somebody who deletes the account leaves all groups, and names another admin before', async (t) => {
  const carol = await registered(t, url, 'carol')
  const phone = await phoneOf(t, carol)
  const [dave, erin] = [await registered(t, url, 'dave'), await registered(t, url, 'erin')]
  const group = await carol.conversations.createGroup('plans', ['dave'])
  await carol.conversations.add(group.id, 'erin')
  const { id: direct } = await carol.conversations.direct('dave')
  await carol.send(direct, 'see you')
  const listener = new Listener(t, dave)
  await listener.message('see you')

  t.match(await failure(carol.deleteAccount({ password: NEW })), { code: 'wrong-password' })
  t.equal((await carol.conversations.get(group.id)).joined, true, 'nothing was done')
  t.strictSame(await carol.deleteAccount({ password: PASSWORD }), { stayedIn: [] })
  t.equal(carol.account, null, 'the keys are gone')
  t.match(await failure(carol.login({ username: 'carol', password: PASSWORD })), {
    code: 'invalid-credentials'
  })
  t.equal((await failure(phone.users.find('ali'))).kind, 'logged-out')

  t.match(await listener.first('user-deleted'), { username: 'carol' })
  await listener.stop()
  t.match(await member(dave, group.id, 'dave'), { role: 'admin' })
  t.equal(await member(dave, group.id, 'carol'), undefined)
  t.match(await member(dave, direct, 'carol'), { erased: true })
  await dave.send(group.id, 'we go on')
  await dave.send(direct, 'where are you?')
  t.strictSame(await texts(dave, direct), ['see you', 'where are you?'])
  const found = (await erin.conversations.list()).find(({ id }) => id === group.id)
  t.strictSame(
    found?.members.map(({ username }) => username),
    ['dave', 'erin']
  )
  t.match(await failure(erin.conversations.direct('carol')), { kind: 'refused', code: 'user-not-found' })
})

t.test('The list of conversations says which members have no account any more', async (t) => {
  const [frank, gina] = [await registered(t, url, 'frank'), await registered(t, url, 'gina')]
  const { id } = await frank.conversations.direct('gina')
  await frank.deleteAccount({ password: PASSWORD })
  const [listed] = await gina.conversations.list()
  t.match(listed, { id, members: [{ username: 'frank', erased: true }, { username: 'gina' }] })
})

t.test('A deletion that was interrupted after its last request ends with the next call', async (t) => {
  const store = new MemoryStore()
  const first = await registered(t, url, 'hugo', { store })
  const stop = new AbortController()
  let erasures = 0
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const response = await globalThis.fetch(input, init)
    if ((input as string).endsWith('/erasure') && ++erasures === 2) stop.abort()
    if (stop.signal.aborted) throw new TypeError('the machine was switched off')
    return response
  }
  await first.close()
  const cut = await client(t, url, { store, fetch })
  stop.signal.addEventListener('abort', () => void cut.close())
  t.ok(await failure(cut.deleteAccount({ password: PASSWORD })))
  const again = await client(t, url, { store })
  const mistyped = await failure(again.deleteAccount({ password: `${PASSWORD}!` }))
  t.equal(mistyped.kind, 'logged-out', 'a mistyped password does not say that the account is gone')
  t.not((await store.list('')).length, 0)
  t.strictSame(await again.deleteAccount({ password: PASSWORD }), { stayedIn: [] })
  t.strictSame(await store.list(''), [], 'nothing is left in the store')
})
