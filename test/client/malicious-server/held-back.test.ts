import t from 'tap'
import { PASSWORD } from '../../support/chat-clients.js'
import { eventually } from '../../support/eventually.js'
import { fakeClient } from '../../support/fake-clients.js'
import type { FakeServer } from '../../support/fake-server.js'
import type { FakeRequest } from '../../support/fake-world.js'
import { hijack, isWrap, outcome, scene, told } from '../../support/malicious-server.js'
import { line } from '../../support/puppet-conversation.js'

/** The server does what a call asks, and holds its answers back while something else happens. @returns what became of the call */
async function whileHeld(
  server: FakeServer,
  isHeld: (request: FakeRequest) => boolean,
  call: () => Promise<unknown>,
  meanwhile: () => Promise<unknown>
): Promise<string> {
  let [count, isOn, release] = [0, true, (): void => undefined]
  const gate = new Promise<void>((resolve) => (release = resolve))
  server.lies.push(async (request) => {
    if (!isOn || !isHeld(request)) return undefined
    const answer = await request.honest()
    count++
    await gate
    return answer
  })
  const done = outcome(call())
  await eventually(() => count > 0)
  isOn = false
  await meanwhile()
  release()
  return done
}

for (const process of ['this', 'another'])
  t.test(
    `A device that ${process} process revokes while it is given keys gets no more of them`,
    async (t) => {
      const { server, bob, store, talk, alice } = await scene(t, ['alice'])
      for (let count = 1; count <= 3; count++) {
        await talk.say(alice, `under key ${count}`, 1)
        if (count < 3) await talk.change([], alice.device)
      }
      await told(bob, talk.id)
      const revoker = process === 'this' ? bob : await fakeClient(t, server, { store })
      const phone = await fakeClient(t, server)
      const { deviceId } = await phone.login({ username: 'bob', password: PASSWORD })
      const number = await phone.linkNumber()
      await whileHeld(
        server,
        isWrap,
        () => bob.devices.approve(deviceId, { number }),
        () => revoker.devices.revoke(deviceId)
      )
      await bob.flush()
      t.equal(server.seen.filter(isWrap).length, 1)
      t.strictSame(await store.list('sharing/'), [])
    }
  )

t.test('No key leaves for a device whose going came while its maker waited for an answer', async (t) => {
  const { server, bob, talk, alice, user, listen } = await scene(t, ['alice'])
  await talk.change([{ kind: 'conversation-role', member: line(user, 'admin') }], alice.device)
  await bob.send(talk.id, 'hello')
  const heard = await listen()
  const calls = [
    () => bob.conversations.setTimer(talk.id, 60),
    () => bob.conversations.createGroup('ops', ['alice'])
  ]
  for (const call of calls) {
    const old = await alice.add()
    server.announce(alice.user)
    await heard.first('device-changed', ({ deviceId, change }) => deviceId === old.id && change === 'added')
    // The roster shows no keys: they have to be fetched.
    server.lies.push(async (request) => {
      if (!request.path.endsWith('/roster')) return undefined
      const roster = (await (await request.honest()).json()) as { members: { devices: unknown[] }[] }
      return { ...roster, members: roster.members.map((member) => ({ ...member, devices: [] })) }
    })
    const isProfile = ({ path, username }: FakeRequest) => path === '/v1/users/alice' && username === 'bob'
    let from = 0
    const ended = await whileHeld(server, isProfile, call, async () => {
      await alice.revoke(old.id)
      server.announce(alice.user)
      await heard.first(
        'device-changed',
        ({ deviceId, change }) => deviceId === old.id && change === 'revoked'
      )
      from = server.seen.length
    })
    server.lies.length = 0
    t.equal(ended, 'done')
    const posted = server.seen.slice(from).flatMap(({ body }) => (body?.key?.wraps ?? []) as object[])
    t.ok(posted.length > 0)
    t.notOk(posted.some((wrap) => 'deviceId' in wrap && wrap.deviceId === old.id))
  }
})

t.test(
  'A message that the caller posts is sealed under no key that a going has ended meanwhile',
  async (t) => {
    const { server, bob, talk, alice, listen } = await scene(t, ['alice'])
    await bob.send(talk.id, 'hello')
    const heard = await listen()
    const old = await alice.add()
    server.announce(alice.user)
    const key = await talk.change([], alice.device)
    await heard.first('device-changed', ({ change }) => change === 'added')
    let sealed: string | undefined
    const ended = await whileHeld(
      server,
      ({ method, path }) => method === 'GET' && path.includes(`/session-keys/${key.secret.id}`),
      async () => {
        sealed = (await bob.seal(talk.id, 'to whom?')).message.key
      },
      async () => {
        await alice.revoke(old.id)
        server.announce(alice.user)
        await heard.first('device-changed', ({ change }) => change === 'revoked')
      }
    )
    t.equal(ended, 'done')
    t.not(sealed, key.hash)
    t.equal(sealed, talk.conversation.key.hash)
  }
)

for (const kind of ['a shorter', 'another'])
  t.test(
    `Links of a chain that was given up are not stored behind ${kind} one that the person has taken`,
    async (t) => {
      const { server, bob, store, talk, carol, mallory } = await scene(t, ['mallory', 'carol'])
      const ghost = await server.puppet('ghost')
      await bob.send(talk.id, 'hello')
      const evil = talk.conversation
      const honest = await evil.fork(evil.requests, server.users)
      if (kind === 'another') {
        talk.conversation = honest
        await talk.change([], carol.device)
        talk.conversation = evil
      }
      await talk.change([{ kind: 'conversation-add', member: line(ghost.user) }], mallory.device)
      const second = await fakeClient(t, server, { store })
      for (const process of [bob, second]) await process.conversations.get(talk.id)
      await talk.change([], mallory.device)
      await talk.change([], mallory.device)
      await whileHeld(
        server,
        ({ path }) => path === `/v1/conversations/${talk.id}/chain`,
        () => second.conversations.get(talk.id),
        async () => {
          server.conversations.set(talk.id, honest)
          await bob.conversations.accept(talk.id, honest.head)
          server.conversations.set(talk.id, evil)
        }
      )
      const links = await store.list<{ hash: string }>(`chain/${talk.id}/`)
      t.strictSame(
        links.map(([, { hash }]) => hash),
        honest.statements.map((_, at) => honest.history.hashAt(at + 1))
      )
      t.match(await store.get(`room/${talk.id}`), { head: honest.head, acceptedTo: links.length })
      server.conversations.set(talk.id, honest)
      for (const process of [second, bob]) t.equal(await outcome(process.send(talk.id, 'to us')), 'done')
      t.notOk(honest.keys.some(({ wraps }) => wraps.has(ghost.device.id)))
    }
  )

t.test(
  'Statements of a user’s chain that was given up leave no hole in the one that the person has taken',
  async (t) => {
    const { server, bob, store, talk, alice } = await scene(t, ['carol', 'alice'])
    await bob.send(talk.id, 'hello')
    const before = await alice.user.fork(1)
    await hijack(alice.user)
    await bob.contacts.get('alice')
    await hijack(alice.user)
    await whileHeld(
      server,
      ({ path }) => path === '/v1/users/chains',
      () => bob.contacts.get('alice'),
      async () => {
        server.view = (name) => (name === 'alice' ? before : server.users.get(name))
        await bob.users.accept('alice', before.head)
      }
    )
    t.equal((await store.list('user-statement/alice/')).length, 1)
    t.match(await store.get('user/alice'), { sequence: 1, head: before.head })
    await bob.close()
    server.users.set('alice', before)
    const again = await fakeClient(t, server, { store })
    t.match(await again.contacts.get('alice'), { root: before.root })
    t.equal(await outcome(again.send(talk.id, 'to all')), 'done')
  }
)
