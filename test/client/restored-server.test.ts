import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { client, link, Listener, PASSWORD, registered, texts } from '../support/chat-clients.js'
import { startServer } from '../support/server-process.js'

t.test(
  'After a server was restored from a backup its log is read again, and conversations continue',
  async (t) => {
    const server = await startServer(t)
    const [data, backup] = [join(server.dataDir, 'pgdata'), join(server.dataDir, 'backup')]
    const alice = await registered(t, server.url, 'alice')
    const bob = await registered(t, server.url, 'bob', { random: () => 0 })
    const bobs = new Listener(t, bob)
    await bobs.first('connected')
    const { conversationId } = await alice.send({ username: 'bob' }, 'before the backup')
    await bobs.message('before the backup')

    await server.stop()
    await cp(data, backup, { recursive: true })
    await server.start()
    await alice.send(conversationId, 'lost with the disk')
    await bobs.message('lost with the disk')
    await server.kill()
    await rm(data, { recursive: true })
    await cp(backup, data, { recursive: true })
    await server.start()

    await bobs.first('reset')
    await alice.send(conversationId, 'after')
    await bobs.message('after')
    const again = 'before the backup'
    t.strictSame(bobs.texts(), ['before the backup', 'lost with the disk', again, 'after'])
    t.notOk(bobs.heard.some(({ type }) => type === 'untrusted'))
    t.strictSame(await texts(alice, conversationId), ['before the backup', 'withheld', 'after'])
    await bob.send(conversationId, 'I have it still')
    t.equal((await texts(alice, conversationId)).at(-1), 'I have it still')
  }
)

t.test('Members who leave a restored conversation are heard up to then, whoever looks first', async (t) => {
  const server = await startServer(t)
  const [data, backup] = [join(server.dataDir, 'pgdata'), join(server.dataDir, 'backup')]
  const alice = await registered(t, server.url, 'alice')
  const bob = await registered(t, server.url, 'bob')
  const carol = await registered(t, server.url, 'carol')
  const dora = await registered(t, server.url, 'dora')
  let bobs = new Listener(t, bob)
  await bobs.first('connected')
  const { id } = await alice.conversations.createGroup('ops', ['bob', 'carol', 'dora'])
  await carol.send(id, 'hi')
  await bobs.message('hi')
  await server.stop()
  await cp(data, backup, { recursive: true })
  await server.start()
  for (let i = 0; i < 8; i++) await alice.send(id, `lost ${i}`)
  await bob.conversations.rename(id, 'lost title')
  await alice.send(id, 'lost end')
  await bobs.message('lost end')
  await bobs.stop()
  await server.kill()
  await rm(data, { recursive: true })
  await cp(backup, data, { recursive: true })
  await server.start()

  await carol.send(id, 'my last word')
  await carol.conversations.leave(id)
  t.equal((await bob.conversations.get(id)).members.length, 3)
  bobs = new Listener(t, bob)
  await bobs.first('members', ({ change }) => change === 'left')
  await bobs.stop()
  await dora.send(id, 'mine')
  await dora.conversations.leave(id)
  t.equal((await bob.conversations.get(id)).members.length, 2)
  await alice.conversations.rename(id, 'the new title')
  const again = new Listener(t, bob)
  await again.first('members', ({ username, change }) => username === 'dora' && change === 'left')
  const heard = [...bobs.heard, ...again.heard]
  t.strictSame([...bobs.texts(), ...again.texts()].slice(-2), ['my last word', 'mine'])
  t.notOk(heard.some(({ type }) => type === 'untrusted' || type === 'unreadable'))
  t.strictSame((await texts(bob, id)).slice(0, 3), ['message', 'hi', 'my last word'])
  t.equal(await bob.conversations.readTitle(id), 'the new title')
})

t.test('A restored server gets back the devices that a user has added and revoked since', async (t) => {
  const server = await startServer(t)
  const [data, backup] = [join(server.dataDir, 'pgdata'), join(server.dataDir, 'backup')]
  const laptop = await registered(t, server.url, 'alice')
  const bob = await registered(t, server.url, 'bob')
  await bob.users.get('alice')
  const tablet = await client(t, server.url)
  const tabletId = await link(laptop, tablet)
  await server.stop()
  await cp(data, backup, { recursive: true })
  await server.start()

  const phone = await client(t, server.url)
  const phoneId = await link(laptop, phone)
  await laptop.devices.revoke(tabletId)
  await phone.devices.rekey()
  const { head } = await laptop.users.get('alice')
  await server.kill()
  await rm(data, { recursive: true })
  await cp(backup, data, { recursive: true })
  await server.start()

  t.match(await laptop.users.get('alice'), { head }, 'the laptop gives back what it knows')
  t.match(await tablet.users.get('alice').catch((error: unknown) => error), { kind: 'logged-out' })
  const login = await phone.login({ username: 'alice', password: PASSWORD })
  t.match(login, { status: 'active', deviceId: phoneId })
  t.match(await bob.users.get('alice'), { head })
})
