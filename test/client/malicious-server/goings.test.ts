import t from 'tap'
import { Listener } from '../../support/chat-clients.js'
import { eventually } from '../../support/eventually.js'
import { FakeConversation } from '../../support/fake-conversation.js'
import { fakeClient, fakeUser, linkedDevice } from '../../support/fake-clients.js'
import { FakeServer } from '../../support/fake-server.js'
import { hasWrappedFor, inShort, outcome, scene, told, type Scene } from '../../support/malicious-server.js'
import { Puppet } from '../../support/puppet.js'
import { line, puppetRequest } from '../../support/puppet-conversation.js'
import { PuppetTalk, puppetTalk } from '../../support/puppet-talk.js'

/** Once, the server shows one more link than there is: the client refuses it. */
async function withJunk({ server, talk }: Scene, look: () => Promise<unknown>): Promise<void> {
  const { conversation } = talk
  const shown = await conversation.fork(conversation.requests, server.users)
  const stranger = await server.puppet('stranger')
  const members = [...server.users.values()].filter(({ username }) => conversation.members.has(username))
  talk.conversation = shown
  await talk.show(await talk.sign([], stranger.device, { members }))
  server.conversations.set(talk.id, shown)
  await look()
  talk.conversation = conversation
  server.conversations.set(talk.id, conversation)
}

t.test('A removal counts, although the server shows it with a link that is refused', async (t) => {
  const all = await scene(t, ['alice', 'carol'])
  const { server, bob, talk, alice, carol, listen } = all
  const heard = await listen()
  const old = talk.key
  await talk.say(carol, 'one', 1)
  await heard.message('one')
  const { request } = (talk.key = await talk.sign(
    [{ kind: 'conversation-remove', username: 'carol' }],
    alice.device
  ))
  await talk.conversation.append(request.statements, request.key, server.users, { isDue: false })
  await withJunk(all, async () => {
    t.equal(await outcome(bob.conversations.get(talk.id)), 'ghost-member')
  })
  await talk.say(alice, 'without carol', 1)
  await talk.say(carol, 'still here', 2, { key: old })
  await talk.say(alice, 'end', 2)
  await heard.message('end')
  t.strictSame(heard.heard.slice(-3).map(inShort), ['without carol', 'after-removal', 'end'])
  t.strictSame(await told(bob, talk.id), ['one', 'without carol', 'after-removal', 'end'])
})

t.test('A change by a device that has gone is told, although a refused link stands behind it', async (t) => {
  const all = await scene(t, ['alice', 'carol'])
  const { server, bob, talk, alice, carol, listen } = all
  const heard = await listen()
  const laptop = alice.device
  const phone = await alice.add()
  server.announce(alice.user)
  await bob.send(talk.id, 'hello')
  const ghost = await server.puppet('ghost')
  const member = { username: 'ghost', role: 'member', root: ghost.user.root } as const
  await talk.show(await talk.sign([{ kind: 'conversation-add', member }], laptop))
  await alice.revoke(laptop.id, phone)
  await withJunk(all, async () => {
    await bob.contacts.get('alice')
    t.equal(await outcome(bob.conversations.get(talk.id)), 'ghost-member')
  })
  server.log.keepAlive('bob')
  const alarm = await heard.first('untrusted', ({ error }) => error.code === 'late-statement')
  t.match(alarm, { conversationId: talk.id, username: 'alice', error: { message: /alice/ } })
  t.ok(carol)
})

t.test('The stream ends a membership where it brings the removal, whatever the last position', async (t) => {
  const server = new FakeServer()
  const bob = await fakeUser(t, server, 'bob')
  const [alice, carol] = [await server.puppet('alice'), await server.puppet('carol')]
  const { id } = await bob.conversations.createGroup('ops', ['alice', 'carol'])
  const talk = new PuppetTalk(server, server.conversations.get(id)!, undefined!)
  const old = await talk.newestKey(carol.device)
  const heard = new Listener(t, bob)
  await heard.first('connected')
  await talk.say(carol, 'one', 1, { key: old })
  await heard.message('one')
  server.lies.push(async ({ method, path, honest }) => {
    if (method !== 'GET' || path !== `/v1/conversations/${id}/chain`) return undefined
    return { ...((await (await honest()).json()) as object), lastPosition: 2 ** 40 }
  })
  await bob.conversations.remove(id, 'carol')
  await heard.first('members', ({ change }) => change === 'removed')
  const key = await talk.newestKey(alice.device)
  await talk.say(carol, 'still here', 2, { key: old, isStreamed: false })
  const said = talk.conversation.messages.at(-1)!
  server.log.append(['bob'], 'message', said, said.position)
  await talk.say(alice, 'end', 1, { key })
  await heard.message('end')
  t.strictSame(heard.heard.slice(-2).map(inShort), ['after-removal', 'end'])
})

t.test('A removal counts in a chain that the person has accepted', async (t) => {
  const { server, bob, talk, alice, carol, listen } = await scene(t, ['alice', 'carol'])
  const heard = await listen()
  const old = talk.key
  await talk.say(carol, 'one', 1)
  await heard.message('one')
  const laptop = alice.device
  const phone = await alice.add()
  server.announce(alice.user)
  await bob.send(talk.id, 'hello')
  await alice.revoke(laptop.id, phone)
  server.announce(alice.user)
  await heard.first('device-changed', ({ change }) => change === 'revoked')
  const before = [await alice.user.fork(2), carol.user, server.requireUser('bob')]
  await talk.change([], laptop, { members: before })
  await talk.change([{ kind: 'conversation-remove', username: 'carol' }], phone)
  t.equal(await outcome(bob.send(talk.id, 'to whom?')), 'after-revocation')
  await bob.conversations.accept(talk.id, talk.conversation.head)
  await talk.say(carol, 'still here', 2, { key: old, isStreamed: false })
  const said = talk.conversation.messages.at(-1)!
  server.log.append(['bob'], 'message', said, said.position)
  await talk.say({ user: alice.user, device: phone }, 'end', 1)
  await heard.message('end')
  t.strictSame(heard.heard.slice(-2).map(inShort), ['after-removal', 'end'])
})

t.test('A device that has gone brings nobody into a new group, or is told by name', async (t) => {
  const { server, bob, talk, alice, user, listen } = await scene(t, ['alice'])
  const heard = await listen()
  await talk.say(alice, 'hello', 1)
  await heard.message('hello')
  const laptop = alice.device
  const phone = await alice.add()
  const before = await alice.user.fork(2)
  await alice.revoke(laptop.id, phone)
  server.announce(alice.user)
  await heard.first('device-changed', ({ change }) => change === 'revoked')
  const ghost = await server.puppet('ghost')
  const conversation = new FakeConversation(crypto.randomUUID())
  const members = [line(before, 'admin'), line(user), line(ghost.user, 'admin')]
  const create = { kind: 'conversation-create', conversationKind: 'group', members } as const
  const created = await puppetRequest(server, conversation, [create], laptop, {
    members: [before, user, ghost.user]
  })
  const { statements, key } = created.request
  await conversation.append(statements, key, server.users, { isDue: false })
  server.conversations.set(conversation.id, conversation)
  const event = { conversationId: conversation.id, kind: 'group', items: conversation.statements }
  conversation.lastPosition = server.log.append(['bob'], 'conversation.created', event)
  t.match(await heard.first('untrusted'), { error: { code: 'after-revocation' } })
  t.notOk(heard.heard.some((one) => one.type === 'conversation' && one.conversation.id === conversation.id))
  await bob.conversations.get(conversation.id)
  server.log.keepAlive('bob')
  const alarm = await heard.first('untrusted', ({ error }) => error.code === 'late-statement')
  t.match(alarm, { conversationId: conversation.id, username: 'alice' })
})

t.test('Conversations in which this user never was are not taken for theirs', async (t) => {
  const { server, bob, store, alice, listen } = await scene(t, ['alice'])
  const heard = await listen()
  const mallory = await server.puppet('mallory')
  const direct = await puppetTalk(server, 'direct', [[mallory.user], [alice.user]], mallory)
  const self = await puppetTalk(server, 'self', [[mallory.user]], mallory)
  for (const { id, conversation } of [direct, self]) {
    const event = { conversationId: id, kind: conversation.chain.kind, items: conversation.statements }
    server.log.append(['bob'], 'conversation.created', event)
    t.match(await heard.first('untrusted', ({ conversationId }) => conversationId === id), {
      error: { code: 'foreign-conversation' }
    })
    const known = new Set((await bob.conversations.list()).map((one) => one.id))
    t.notOk(known.has(id))
  }
  const { head } = direct.conversation
  server.lies.push(({ method, path }) =>
    method === 'GET' && path === `/v1/conversations/${direct.id}/chain`
      ? { head, lastPosition: 1, items: direct.conversation.statements, next: null }
      : undefined
  )
  t.equal(await outcome(bob.conversations.accept(direct.id, head)), 'foreign-conversation')
  await bob.close()
  server.lies.length = 0
  const again = await fakeClient(t, server, { store })
  const { members } = await again.conversations.direct('alice')
  t.strictSame(members.map(({ username }) => username).sort(), ['alice', 'bob'])
  await linkedDevice(t, server, again)
  t.notOk(hasWrappedFor(server, mallory.device.id))
})

t.test('Each change by a device that had gone before is told, also after another one', async (t) => {
  const { server, bob, talk, alice, listen } = await scene(t, ['alice', 'carol'])
  const heard = await listen()
  const [laptop, phone, tablet] = [alice.device, await alice.add(), await alice.add()]
  server.announce(alice.user)
  await bob.contacts.get('alice')
  for (const [stolen, by, times] of [
    [laptop, phone, 1],
    [phone, tablet, 2]
  ] as const) {
    const { request } = await talk.sign([{ kind: 'conversation-timer', messageTtl: 60 * times }], stolen)
    await talk.conversation.append(request.statements, request.key, server.users, { isDue: false })
    await alice.revoke(stolen.id, by)
    await bob.contacts.get('alice')
    await bob.conversations.get(talk.id)
    server.log.keepAlive('bob')
    const isTold = (): boolean =>
      heard.heard.filter((one) => one.type === 'untrusted' && one.error.code === 'late-statement').length ===
      times
    await eventually(isTold, `alarm ${times}`)
    t.pass(`told ${times}`)
  }
})

t.test('Nothing is sealed under a key that was made for a chain which the person has given up', async (t) => {
  const { server, bob, talk, alice } = await scene(t, ['alice'], { kind: 'direct' })
  const laptop = alice.device
  const phone = await alice.add()
  // The two chains have the same length: in one the stolen laptop adds a device, in the other it is revoked.
  const fake = await alice.user.fork(2)
  await new Puppet(fake, laptop).add()
  await alice.revoke(laptop.id, phone)
  server.users.set('alice', fake)
  await bob.contacts.get('alice')
  await bob.send(talk.id, 'hello')
  server.users.set('alice', alice.user)
  t.equal(await outcome(bob.contacts.get('alice')), 'forked-chain')
  await bob.users.accept('alice', alice.user.head)
  const sent = server.seen.length
  t.not(await outcome(bob.send(talk.id, 'a secret')), 'done')
  t.notOk(server.seen.slice(sent).some(({ method, path }) => method === 'POST' && path.endsWith('/messages')))
})
