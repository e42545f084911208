import t from 'tap'
import type { ChatClient } from '../../../src/client/client.js'
import { failure } from '../../support/chat-clients.js'
import { fakeClient } from '../../support/fake-clients.js'
import type { FakeServer } from '../../support/fake-server.js'
import { hasWrappedFor, hijack, outcome, scene } from '../../support/malicious-server.js'
import { puppetDevice, request, type Puppet } from '../../support/puppet.js'
import { line } from '../../support/puppet-conversation.js'
import { readableFor } from '../../support/puppet-keys.js'

/** Mark a user as verified, with the number that both see. */
async function verify(chat: ChatClient, username: string): Promise<void> {
  await chat.contacts.verify(username, await chat.contacts.safetyNumber(username))
}

/** Bob has spoken in a group of Alice's. Then the server puts an identity of its own in Alice's place. */
async function taken({ isVerified = false } = {}) {
  const all = await scene(t, ['alice', 'mallory'])
  await all.bob.send(all.talk.id, 'hello')
  if (isVerified) await verify(all.bob, 'alice')
  const evil = await hijack(all.alice.user)
  return { ...all, evil }
}

const posted = ({ seen }: FakeServer): string[] =>
  seen.filter(({ method, path }) => method === 'POST' && path.endsWith('/messages')).map(({ path }) => path)

const renewed = ({ user }: Puppet, role: 'admin' | 'member') =>
  ({ kind: 'conversation-renew', member: line(user, role) }) as const

t.test('A member who conspires takes no group over after the server has reset its admin', async (t) => {
  const { server, bob, talk, alice, mallory, evil, store, listen } = await taken()
  const heard = await listen()
  const ghost = await server.puppet('ghost')
  const add = { kind: 'conversation-add', member: line(ghost.user, 'admin') } as const
  const direct = await talk.sign([{ kind: 'conversation-remove', username: 'alice' }], mallory.device)
  talk.announce(direct)
  t.match(await heard.first('untrusted'), { error: { code: 'forbidden-statement' } }, 'no acting admin')

  await talk.change([renewed(alice, 'admin')], mallory.device)
  await talk.change([add], evil)
  server.seen.length = 0
  t.match(await failure(bob.send(talk.id, 'the plan')), { kind: 'identity-changed' })
  await talk.change([{ kind: 'conversation-remove', username: 'alice' }], ghost.device)
  t.match(
    await failure(bob.send(talk.id, 'the plan')),
    { kind: 'identity-changed' },
    'a removal lifts nothing'
  )
  await bob.close()
  const again = await fakeClient(t, server, { store })
  t.match(await failure(again.send(talk.id, 'the plan')), { kind: 'identity-changed' }, 'nor does a restart')
  t.notOk(hasWrappedFor(server, ghost.device.id))
  t.notOk(hasWrappedFor(server, evil.id))
  t.strictSame(posted(server), [])

  const { head } = await again.conversations.get(talk.id)
  t.match(await failure(again.conversations.accept(talk.id, 'ab'.repeat(32))), { code: 'other-head' })
  await again.conversations.accept(talk.id, head)
  await again.send(talk.id, 'as the person says')
})

t.test('A reset that nobody has renewed is told, gets no key, and lets a group go on', async (t) => {
  const { server, bob, talk, evil, listen, mallory } = await taken()
  const heard = await listen()
  server.announce(server.requireUser('alice'))
  t.match(await heard.first('identity-changed'), { username: 'alice', wasVerified: false })
  await bob.send(talk.id, 'among the others')
  t.notOk(hasWrappedFor(server, evil.id))
  t.ok(hasWrappedFor(server, mallory.device.id))
})

t.test(
  'A reset blocks a direct conversation, and every one of a person who had verified the user',
  async (t) => {
    const { server, bob, talk, evil } = await taken({ isVerified: true })
    await bob.contacts.get('alice')
    server.seen.length = 0
    t.match(await failure(bob.send(talk.id, 'to whom?')), { kind: 'identity-changed' })
    t.match(await bob.contacts.get('alice'), { status: 'changed', wasVerified: true })
    const direct = await scene(t, ['alice'], { kind: 'direct' })
    await direct.bob.send(direct.talk.id, 'hello')
    await hijack(direct.alice.user)
    await direct.bob.contacts.get('alice')
    t.match(await failure(direct.bob.send(direct.talk.id, 'to whom?')), { kind: 'identity-changed' })
    t.notOk(hasWrappedFor(server, evil.id))
    t.strictSame(posted(server), [])
    await bob.contacts.accept('alice', { root: evil.signing.fingerprint })
    await bob.send(talk.id, 'accepted')
    t.notOk(hasWrappedFor(server, evil.id), 'no wrap goes to a line that nobody has renewed')
  }
)

t.test('A line that an admin has renewed is told, and blocks those who had verified the user', async (t) => {
  for (const isVerified of [false, true]) {
    const { server, bob, talk, alice, carol, listen } = await scene(t, ['alice', 'carol'])
    const heard = await listen()
    await bob.send(talk.id, 'hello')
    if (isVerified) await verify(bob, 'carol')
    await hijack(carol.user)
    await talk.change([renewed(carol, 'member')], alice.device)
    await heard.first('members', ({ change }) => change === 'renewed')
    t.match(await heard.first('identity-changed'), { username: 'carol', wasVerified: isVerified })
    t.equal(await outcome(bob.send(talk.id, 'go on?')), isVerified ? 'identity-changed' : 'done')
    t.equal(posted(server).length, isVerified ? 1 : 2)
    if (isVerified) await bob.contacts.accept('carol', { root: carol.user.root })
    t.equal(await outcome(bob.send(talk.id, 'go on')), 'done')
  }
})

t.test(
  'Each key of a direct conversation renews the other side, once its new root is accepted',
  async (t) => {
    const week = 7 * 24 * 3600 * 1000
    for (const way of ['revocation', 'timer', 'week', 'restart', 'own device'] as const) {
      let passed = 0
      const now = () => Date.now() + passed
      const { server, bob, store, talk, alice, user } = await scene(t, ['alice'], { kind: 'direct', now })
      const tablet = await puppetDevice()
      user.waiting.set(tablet.id, await request(user, tablet))
      await bob.devices.approve(tablet.id, { number: await bob.devices.linkNumber(tablet.id) })
      await bob.send(talk.id, 'hello')
      await alice.reset()
      server.announce(alice.user)
      await bob.contacts.get('alice')
      t.equal(await outcome(bob.send(talk.id, 'to whom?')), 'identity-changed')
      t.equal(await outcome(bob.conversations.setTimer(talk.id, 60)), 'identity-changed')
      await bob.contacts.accept('alice', { root: alice.user.root })
      const isFor = () => talk.conversation.key.wraps.has(alice.device.id)
      if (way === 'timer') await bob.conversations.setTimer(talk.id, 60)
      if (way === 'revocation') await bob.devices.revoke(tablet.id)
      if (way === 'revocation' || way === 'timer') t.ok(isFor(), way)
      if (way === 'week') passed = week
      if (way === 'own device') await talk.change([], tablet)
      if (way === 'restart') await bob.close()
      const chat = way === 'restart' ? await fakeClient(t, server, { store, now }) : bob
      t.equal(await outcome(chat.send(talk.id, 'for alice')), 'done')
      t.ok(isFor(), way)
      t.ok((await readableFor(alice.device, talk.conversation, server)).includes('for alice'), way)
    }
  }
)

t.test('The other side of a direct conversation renews nobody to a root that was not accepted', async (t) => {
  const { server, bob, talk, alice, listen } = await scene(t, ['alice'], { kind: 'direct' })
  await bob.send(talk.id, 'hello')
  const heard = await listen()
  const nobody = { username: 'bob', role: 'member', root: 'ab'.repeat(32) } as const
  talk.announce(await talk.sign([{ kind: 'conversation-renew', member: nobody }], alice.device))
  t.match(await heard.first('untrusted'), { error: { code: 'forbidden-statement' } })
  await bob.send(talk.id, 'still here')
  t.equal(posted(server).length, 2)
})

t.test('A member whom this person has not accepted can be removed by this person', async (t) => {
  const all = await scene(t, ['alice', 'carol'])
  const { server, bob, talk, alice, carol } = all
  await talk.change([{ kind: 'conversation-role', member: line(all.user, 'admin') }], alice.device)
  await bob.send(talk.id, 'hello')
  await verify(bob, 'carol')
  const evil = await hijack(carol.user)
  await talk.change([renewed(carol, 'member')], alice.device)
  await bob.conversations.get(talk.id)
  t.match(await failure(bob.send(talk.id, 'blocked')), { kind: 'identity-changed' })
  t.match(await failure(bob.conversations.setRole(talk.id, 'alice', 'member')), { kind: 'identity-changed' })
  const { members } = await bob.conversations.remove(talk.id, 'carol')
  t.strictSame(members.map(({ username }) => username).sort(), ['alice', 'bob'])
  t.notOk(hasWrappedFor(server, evil.id))
  t.match(
    await failure(bob.send(talk.id, 'blocked')),
    { kind: 'identity-changed' },
    'it was in, under that root'
  )
})

/** Bob, as an admin, has verified Carol and Dora. Then the server puts identities of its own in their places. */
async function bothTaken() {
  const all = await scene(t, ['alice', 'carol', 'dora', 'erin'])
  const { bob, talk, alice, carol, dora } = all
  await talk.change([{ kind: 'conversation-role', member: line(all.user, 'admin') }], alice.device)
  await bob.send(talk.id, 'hello')
  for (const username of ['carol', 'dora']) await verify(bob, username)
  const evil = [await hijack(carol.user), await hijack(dora.user)]
  const isSafe = () => evil.every(({ id }) => !hasWrappedFor(all.server, id))
  return { ...all, isSafe }
}

t.test('Two members whom the server has reset can be removed, one after the other', async (t) => {
  for (const [first, second] of [
    ['carol', 'dora'],
    ['dora', 'carol']
  ] as const) {
    const { bob, talk, isSafe } = await bothTaken()
    t.equal(await outcome(bob.send(talk.id, 'blocked')), 'identity-changed')
    await bob.conversations.remove(talk.id, first)
    t.equal(await outcome(bob.send(talk.id, 'still blocked')), 'identity-changed')
    await bob.conversations.remove(talk.id, second)
    const { members } = await bob.conversations.get(talk.id)
    t.strictSame(members.map(({ username }) => username).sort(), ['alice', 'bob', 'erin'])
    t.equal(await outcome(bob.send(talk.id, 'among us')), 'done')
    t.ok(isSafe())
  }
})

t.test('Two members who were renewed under roots of the server’s are removed at once', async (t) => {
  const { bob, talk, alice, carol, dora, isSafe } = await bothTaken()
  await talk.change([renewed(carol, 'member'), renewed(dora, 'member')], alice.device)
  for (const username of ['carol', 'dora', 'erin'])
    t.equal(
      await outcome(bob.conversations.remove(talk.id, username)),
      'identity-changed',
      'one gets the key'
    )
  await bob.conversations.remove(talk.id, ['carol', 'dora'])
  await bob.conversations.remove(talk.id, 'erin')
  t.strictSame((await bob.conversations.get(talk.id)).members.length, 2)
  t.ok(isSafe())
  t.equal(await outcome(bob.send(talk.id, 'blocked')), 'identity-changed', 'they were in, under those roots')
})

t.test('Roots that a user had before this person met them do not block', async (t) => {
  const { bob, talk, alice, carol } = await scene(t, ['alice', 'carol'])
  await hijack(carol.user)
  await talk.change([], alice.device)
  t.equal(await outcome(bob.send(talk.id, 'hello')), 'done')
  t.match(await bob.contacts.get('carol'), { status: 'unverified' })
})

t.test('A chain that this person has given up keeps back its own conversations only', async (t) => {
  const { server, bob, talk, alice, store } = await scene(t, ['alice'], { kind: 'direct' })
  await alice.rekey()
  await bob.send(talk.id, 'hello')
  const shown = await alice.user.fork(1)
  await hijack(shown)
  server.view = (username) => (username === 'alice' ? shown : server.users.get(username))
  t.equal(await outcome(bob.contacts.get('alice')), 'forked-chain')
  await bob.users.accept('alice', shown.head)
  await bob.close()
  await server.puppet('carol')
  const again = await fakeClient(t, server, { store })
  const { id } = await again.conversations.direct('carol')
  const listed = await again.conversations.list()
  t.match(new Map(listed.map((one) => [one.id, one.trouble?.code])), new Map([[talk.id, 'forked-chain']]))
  t.match(listed.find((one) => one.id === id)?.members, [{ username: 'bob' }, { username: 'carol' }])
})

t.test('A server that shows no chain to accept is not believed', async (t) => {
  const { server, bob, talk } = await scene(t, ['alice'])
  const { head } = await bob.conversations.get(talk.id)
  server.lies.push(({ method, path }) =>
    method === 'GET' && path.endsWith('/chain') ? { head, lastPosition: 1, items: [], next: null } : undefined
  )
  t.equal(await outcome(bob.conversations.accept(talk.id, head)), 'other-head')
  server.lies.length = 0
  t.match(await bob.conversations.get(talk.id), { head })
})

t.test(
  'A user comes in, or is renewed, under the newest root of the user’s chain and no other',
  async (t) => {
    const { server, bob, talk, alice, carol, listen } = await scene(t, ['alice', 'carol'])
    const dora = await server.puppet('dora')
    const [carols, doras] = [carol.user.root, dora.user.root]
    const heard = await listen()
    await bob.send(talk.id, 'before')
    await carol.reset()
    await dora.reset()
    server.announce(carol.user)
    await heard.first('identity-changed')
    const nobodys = 'ab'.repeat(32)
    const changes = [
      { kind: 'conversation-renew', member: { ...line(carol.user), root: nobodys } },
      { kind: 'conversation-renew', member: { ...line(carol.user), root: carols } },
      { kind: 'conversation-add', member: { ...line(dora.user), root: nobodys } },
      { kind: 'conversation-add', member: { ...line(dora.user), root: doras } }
    ] as const
    for (const [at, change] of changes.entries()) {
      const { username } = change.member
      const members = [...talk.conversation.members.keys(), username].map((name) => server.requireUser(name))
      const made = await talk.sign([change], alice.device, {
        members: [...new Set(members)],
        without: [...server.requireUser(username).devices.keys()]
      })
      talk.announce(made)
      await talk.say(alice, `heard ${at}`, at + 1)
      await heard.message(`heard ${at}`)
      const codes = heard.heard.flatMap((event) => (event.type === 'untrusted' ? [event.error.code] : []))
      t.equal(codes.length, at + 1, `${change.kind} ${change.member.root}`)
      t.equal(codes.at(-1), 'forbidden-statement')
    }
    t.equal((await bob.conversations.get(talk.id)).head, talk.conversation.head)
  }
)
