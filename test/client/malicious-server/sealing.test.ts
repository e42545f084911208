import t from 'tap'
import { generateSigningKeys } from '../../../src/crypto/keys.js'
import type { NewMessage } from '../../../src/protocol/messages.js'
import { assemble } from '../../../src/client/assemble.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import { PASSWORD } from '../../support/chat-clients.js'
import { fakeClient, linkedDevice } from '../../support/fake-clients.js'
import type { Lie } from '../../support/fake-server.js'
import type { FakeUser } from '../../support/fake-user.js'
import { hasWrappedFor, hijack, outcome, scene, told } from '../../support/malicious-server.js'
import { puppetDevice } from '../../support/puppet.js'
import { line } from '../../support/puppet-conversation.js'
import { puppetTalk } from '../../support/puppet-talk.js'
import { readableFor } from '../../support/puppet-keys.js'

const DAY = 24 * 3600 * 1000

t.test(
  'A message is sealed under the newest key of the chain, whatever the server calls current',
  async (t) => {
    const { server, bob, talk, alice, user } = await scene(t, ['alice'], { kind: 'direct' })
    const [first] = talk.conversation.keys
    await bob.send(talk.id, 'one')
    const phone = await alice.add()
    const second = await talk.change([], alice.device)
    await bob.conversations.get(talk.id)
    await bob.send(talk.id, 'two')
    await alice.revoke(phone.id)
    await bob.contacts.get('alice')
    // The roster is the same again as it was for the first key. The phone was given that one later.
    const key = { key: first!.hash, sessionKeyId: first!.id, rekeyRequired: false }
    server.lies.push(async ({ path, honest }) => {
      if (!/\/(roster|conversations\/[^/]+)$/.test(path)) return undefined
      const body = (await (await honest()).json()) as { conversation?: object }
      return body.conversation ? { conversation: { ...body.conversation, ...key } } : { ...body, ...key }
    })
    // It takes messages under the old key, too.
    server.lies.push(({ method, path, body }) => {
      if (method !== 'POST' || !path.endsWith('/messages')) return undefined
      const message = talk.serve({ user, device: { id: bob.account!.deviceId } }, body as NewMessage)
      return { id: message.id, position: message.position, createdAt: message.createdAt }
    })
    await bob.send(talk.id, 'after the revocation')
    const used = talk.conversation.messages.map((message) => message.key)
    t.strictSame(used.slice(0, 2), [first!.hash, second.hash])
    t.notOk([first!.hash, second.hash].includes(used[2]!), 'a new key')
    t.strictSame(await readableFor(phone, talk.conversation, server), ['two'])
  }
)

t.test('A chain that is cut to an older key makes nobody seal under it', async (t) => {
  const { server, bob, talk, alice, store } = await scene(t, ['alice'], { kind: 'direct' })
  await bob.send(talk.id, 'one')
  const phone = await alice.add()
  const cut = await talk.conversation.fork(1, server.users)
  await talk.change([], alice.device)
  await bob.send(talk.id, 'two')
  await alice.revoke(phone.id)
  await bob.contacts.get('alice')
  server.conversations.set(talk.id, cut)
  server.seen.length = 0
  t.equal(await outcome(bob.send(talk.id, 'to whom?')), 'server-behind')
  await bob.close()
  const again = await fakeClient(t, server, { store })
  t.equal(await outcome(again.send(talk.id, 'to whom?')), 'server-behind')
  t.notOk(server.seen.some(({ method, path }) => method === 'POST' && path.includes(talk.id)))
})

t.test('A key is used for 7 days from its first sight, not from its first use', async (t) => {
  let passed = 0
  const { bob, talk } = await scene(t, ['alice'], { now: () => Date.now() + passed })
  await bob.conversations.get(talk.id)
  const keys = talk.conversation.keys
  passed = 7 * DAY - 60_000
  await bob.send(talk.id, 'just before')
  t.equal(keys.length, 1)
  passed = 7 * DAY
  await bob.send(talk.id, 'after a week')
  t.equal(keys.length, 2)
})

t.test('All messages that were seen under a key count, those of others too, each once', async (t) => {
  const { server, alice } = await scene(t, ['alice'])
  const options = {
    url: 'http://fake',
    store: new MemoryStore(),
    fetch: server.fetch,
    rsaKeyBits: 2048
  } as const
  const carol = await assemble(options, { messages: 5, ageMs: Infinity })
  t.teardown(() => carol.http.close())
  await carol.registration.register({ username: 'carol', password: PASSWORD })
  const members = [[alice.user, 'admin'] as const, [server.requireUser('carol')] as const]
  const talk = await puppetTalk(server, 'group', members, alice)
  await carol.conversations.get(talk.id)
  for (let n = 1; n <= 3; n++) await talk.say(alice, `m${n}`, n)
  for (let pass = 1; pass <= 2; pass++)
    for await (const item of carol.history.read(talk.id, { after: 0 })) t.ok(item)
  const send = (text: string) => carol.outbox.send(talk.id, { type: 'text', text })
  for (const text of ['four', 'five', 'six']) await send(text)
  const used = talk.conversation.messages.map(({ key }) => key)
  t.equal(new Set(used.slice(0, 5)).size, 1)
  t.not(used[5], used[4])
})

t.test('A key whose maker has left a device out is not read, and not sealed under', async (t) => {
  for (const what of ['a device', 'a member', 'a replaced key'] as const) {
    const { server, bob, user, talk, alice, carol } = await scene(t, ['alice', 'carol'])
    await bob.send(talk.id, 'one')
    const before = await carol.user.fork(1)
    if (what === 'a replaced key') await carol.rekey()
    const { sequence, head } = carol.user.history!.chain
    const partial = await talk.change(
      [],
      alice.device,
      {
        'a device': { without: [carol.device.id] },
        'a member': { members: [alice.user, user] },
        'a replaced key': {
          members: [alice.user, user, before],
          state: [{ username: 'carol', sequence, head }]
        }
      }[what]
    )
    await talk.say(alice, 'we all agreed', 1, { key: partial })
    t.strictSame((await told(bob, talk.id)).at(-1), 'wrong-roster', what)
    server.seen.length = 0
    t.equal(await outcome(bob.send(talk.id, 'to all')), 'done')
    t.not(talk.conversation.messages.at(-1)!.key, partial.hash)
    t.ok((await readableFor(carol.device, talk.conversation, server)).includes('to all'))
  }
})

t.test('However often a member changes devices, a group gets one key, and only for a message', async (t) => {
  const { server, bob, talk, alice, mallory, listen } = await scene(t, ['alice', 'mallory'])
  const heard = await listen()
  await bob.send(talk.id, 'before')
  server.seen.length = 0
  for (let times = 1; times <= 5; times++) {
    await mallory.rekey()
    server.announce(mallory.user)
  }
  await talk.say(alice, 'heard all', 1)
  await heard.message('heard all')
  await bob.flush()
  const made = () =>
    server.seen.filter(({ method, path }) => method === 'POST' && path.endsWith('/session-keys'))
  t.equal(made().length, 0)
  await bob.send(talk.id, 'after')
  t.equal(made().length, 1)
})

t.test(
  'Nothing is sealed for a user whose chain the server shows as another, or as an older one',
  async (t) => {
    for (const code of ['forked-chain', 'server-behind'] as const) {
      const { server, bob, talk, alice } = await scene(t, ['alice'])
      await bob.send(talk.id, 'one')
      const shown = await alice.user.fork(1)
      await alice.rekey()
      await bob.contacts.get('alice')
      await bob.send(talk.id, 'three')
      if (code === 'forked-chain') await hijack(shown)
      server.lies.push(({ path }) =>
        path === '/v1/users/alice/chain' ? { head: shown.head, sequence: 1 } : undefined
      )
      server.view = (username) => (username === 'alice' ? shown : server.users.get(username))
      server.seen.length = 0
      await bob.contacts.get('alice').catch(() => undefined)
      t.equal(await outcome(bob.send(talk.id, 'to whom?')), code)
      t.notOk(server.seen.some(({ path }) => path.endsWith('/messages')))
    }
  }
)

/** The server lets nobody give it back what it hides of a user's chain. */
const takesNothingBack =
  (username: string, { head }: FakeUser): Lie =>
  ({ path }) =>
    path === `/v1/users/${username}/chain` ? { head, sequence: 1 } : undefined

t.test(
  'A doubt about the chain of a user outlives a restart, until the server shows the whole',
  async (t) => {
    for (const code of ['forked-chain', 'server-behind'] as const)
      for (const name of ['carol', 'bob']) {
        const { server, bob, store, talk, carol } = await scene(t, ['alice', 'carol'])
        const other = await fakeClient(t, server, { store })
        await carol.add()
        await linkedDevice(t, server, bob)
        const look = () => bob.users.get(name).catch(() => undefined)
        await look()
        await bob.send(talk.id, 'one')
        await other.send(talk.id, 'two')
        const shown = await server.requireUser(name).fork(1)
        if (code === 'forked-chain') await hijack(shown)
        server.lies.push(takesNothingBack(name, shown))
        server.view = (username) => (username === name ? shown : server.users.get(username))
        await look()
        server.seen.length = 0
        t.equal(await outcome(other.send(talk.id, 'to whom?')), code, 'in another process')
        await Promise.all([bob.close(), other.close()])
        const again = await fakeClient(t, server, { store })
        t.equal(await outcome(again.send(talk.id, 'to whom?')), code, 'after a restart')
        t.equal(
          await outcome(again.conversations.createGroup('new', ['carol'])),
          code,
          'in a new conversation'
        )
        t.notOk(server.seen.some(({ method, path }) => method === 'POST' && path.includes('/conversations')))
        server.view = (username) => server.users.get(username)
        t.equal(await outcome(again.send(talk.id, 'to all')), 'done')
        t.strictSame(await store.list('chain-doubt/'), [])
      }
  }
)

t.test('A doubt about the chain of a user ends when the person takes the one that is shown', async (t) => {
  const { server, bob, store, talk, carol } = await scene(t, ['alice', 'carol'])
  await carol.add()
  await bob.contacts.get('carol')
  await bob.send(talk.id, 'one')
  const shown = await carol.user.fork(1)
  server.lies.push(takesNothingBack('carol', shown))
  server.view = (username) => (username === 'carol' ? shown : server.users.get(username))
  await bob.contacts.get('carol')
  await bob.close()
  const again = await fakeClient(t, server, { store })
  t.equal(await outcome(again.send(talk.id, 'to whom?')), 'server-behind')
  await again.users.accept('carol', shown.head)
  t.strictSame(await store.list('chain-doubt/'), [])
})

t.test(
  'A doubt about the chain of a conversation outlives a restart, and ends with the whole chain',
  async (t) => {
    for (const code of ['forked-chain', 'server-behind'] as const)
      for (const isLonger of code === 'forked-chain' ? [false, true] : [false]) {
        const { server, bob, store, talk, alice } = await scene(t, ['alice', 'carol'])
        const other = await fakeClient(t, server, { store })
        await talk.change([], alice.device)
        await bob.conversations.get(talk.id)
        await bob.send(talk.id, 'one')
        await other.send(talk.id, 'two')
        const whole = talk.conversation
        const shown = await whole.fork(1, server.users)
        server.conversations.set(talk.id, shown)
        talk.conversation = shown
        if (code === 'forked-chain') await talk.change([], alice.device)
        if (isLonger) await talk.change([], alice.device)
        t.equal(await outcome(bob.conversations.get(talk.id)), code === 'forked-chain' ? code : 'done')
        server.seen.length = 0
        t.equal(await outcome(other.send(talk.id, 'to whom?')), code, 'in another process')
        await Promise.all([bob.close(), other.close()])
        const again = await fakeClient(t, server, { store })
        t.equal(await outcome(again.send(talk.id, 'to whom?')), code, 'after a restart')
        t.notOk(server.seen.some(({ method, path }) => method === 'POST' && path.includes(talk.id)))
        server.conversations.set(talk.id, whole)
        t.equal(await outcome(again.send(talk.id, 'to all')), 'done')
        t.strictSame(await store.list('chain-doubt/'), [])
      }
  }
)

t.test(
  'A key that another member makes during the call is judged as any other, also by `seal`',
  async (t) => {
    for (const call of ['send', 'seal'] as const) {
      const { server, bob, talk, alice, carol } = await scene(t, ['carol', 'alice'])
      await bob.contacts.verify('alice', await bob.contacts.safetyNumber('alice'))
      await bob.send(talk.id, 'hello')
      // Bob needs another key.
      await carol.rekey()
      await bob.contacts.get('carol')
      const whole = talk.conversation
      const shown = await whole.fork(1, server.users)
      const known = await alice.user.fork(1)
      const evil = await hijack(alice.user)
      // A hasty admin takes the server's identity for Alice's new one.
      await talk.change([{ kind: 'conversation-renew', member: line(alice.user) }], carol.device)
      let isShown = false
      server.view = (username) => (username === 'alice' && !isShown ? known : server.users.get(username))
      server.conversations.set(talk.id, shown)
      let looks = 0
      server.lies.push(({ path }) => {
        // The first look of a seal comes before the call judges anything.
        isShown ||= path.endsWith('/roster') && ++looks === (call === 'seal' ? 2 : 1)
        server.conversations.set(talk.id, isShown ? whole : shown)
        return undefined
      })
      t.equal(await outcome(bob[call](talk.id, 'a secret')), 'identity-changed', call)
      t.ok(isShown)
      t.notOk(hasWrappedFor(server, evil.id))
    }
  }
)

t.test(
  'Before it wraps for more than 200 devices, a client that did not cause that looks again later',
  async (t) => {
    const names = Array.from({ length: 13 }, (_, at) => `user-${at}`)
    const { server, bob, talk, ...puppets } = await scene(t, names)
    const more = await Promise.all(Array.from({ length: 15 }, () => puppetDevice()))
    const fill = async (name: string) => {
      for (const keys of more) {
        const signing = await generateSigningKeys({ extractable: true })
        await puppets[name]!.add({ ...keys, id: crypto.randomUUID(), signing })
      }
    }
    const looks = async () => {
      await puppets['user-0']!.rekey()
      server.seen.length = 0
      await bob.send(talk.id, 'to all')
      return server.seen.filter(({ path }) => path.endsWith('/roster')).length
    }
    for (const name of names.slice(1)) await fill(name)
    t.equal(await looks(), 1)
    t.equal(talk.conversation.key.wraps.size, 12 * 16 + 2)
    await fill('user-0')
    t.equal(await looks(), 2)
    t.equal(talk.conversation.key.wraps.size, 13 * 16 + 1)
  }
)
