import t from 'tap'
import { all, failure, PASSWORD } from '../../support/chat-clients.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import type { Value } from '../../../src/client/stores/store.js'
import { noAnswer, problem } from '../../support/fake-answers.js'
import { fakeClient, fakeUser, linkedDevice } from '../../support/fake-clients.js'
import { FakeServer } from '../../support/fake-server.js'
import type { FakeRequest } from '../../support/fake-world.js'
import { hasWrappedFor, outcome, scene, told } from '../../support/malicious-server.js'
import { line } from '../../support/puppet-conversation.js'
import { puppetTalk, type PuppetTalk } from '../../support/puppet-talk.js'

const isChange = ({ method, path }: FakeRequest): boolean =>
  method === 'POST' && /\/(chain|session-keys)$/.test(path)

/** Kinds of statements of a chain. */
const kinds = (statements: readonly { text: string }[]): string[] =>
  statements.map(({ text }) => /^secure-chat\/v1 conversation-(.*)$/m.exec(text)![1]!)

/** Bob is an admin of a group of Alice's. */
async function group() {
  const all = await scene(t, ['alice'])
  await all.talk.change([{ kind: 'conversation-role', member: line(all.user, 'admin') }], all.alice.device)
  await all.bob.conversations.get(all.talk.id)
  return all
}

t.test('Two requests that extend one head both count, one behind the other', async (t) => {
  const { server, bob, talk, alice } = await group()
  await server.puppet('carol')
  const before = talk.conversation.statements.length
  const posted: { id: string }[] = []
  server.lies.push(async (request) => {
    if (!isChange(request)) return undefined
    posted.push(request.body.key)
    if (posted.length === 1) await talk.change([{ kind: 'conversation-timer', messageTtl: 60 }], alice.device)
    return undefined
  })
  const { members } = await bob.conversations.add(talk.id, 'carol')
  t.strictSame(
    members.map(({ username }) => username),
    ['alice', 'bob', 'carol']
  )
  t.strictSame(kinds(talk.conversation.statements.slice(before)), ['timer', 'key', 'add', 'key'])
  t.equal(new Set(posted.map(({ id }) => id)).size, 2, 'each attempt has a session key of its own')
  t.equal(talk.conversation.key.id, posted[1]!.id)
})

t.test('A key that another member was faster to make is taken, and no second one is made', async (t) => {
  const { server, bob, talk, alice, listen } = await scene(t, ['alice', 'carol'])
  const heard = await listen()
  await bob.send(talk.id, 'before')
  await alice.rekey()
  server.announce(alice.user)
  await heard.first('device-changed')
  let attempts = 0
  server.lies.push(async (request) => {
    if (isChange(request) && ++attempts === 1) await talk.change([], alice.device)
    return undefined
  })
  await bob.send(talk.id, 'under the key of the other')
  t.equal(attempts, 1)
  t.equal(talk.conversation.messages.at(-1)!.key, talk.key.hash)
})

t.test(
  'A message that a reset overtakes is never signed by a device outside the roster of its key',
  async (t) => {
    const { server, bob, store, talk, user, alice } = await scene(t, ['alice'])
    const carol = await fakeUser(t, server, 'carol')
    await talk.change([{ kind: 'conversation-add', member: line(server.requireUser('carol')) }], alice.device)
    await bob.send(talk.id, 'before')
    let isReset = false
    const get = store.get.bind(store)
    store.get = async <T extends Value>(name: string): Promise<T | undefined> => {
      const value = await get<T>(name)
      if (isReset || !name.startsWith('sending/') || !server.seen.at(-1)!.path.endsWith('/roster'))
        return value
      // Bob is about to encrypt under the key that was good a moment ago.
      isReset = true
      await bob.devices.reset({ username: 'bob', password: PASSWORD })
      return value
    }
    const sealed = await bob.seal(talk.id, 'overtaken').catch(() => null)
    t.ok(isReset)
    if (sealed !== null) talk.serve({ user, device: { id: bob.account!.deviceId } }, sealed.message)
    t.notOk((await told(carol, talk.id)).includes('ghost-sender'))
  }
)

t.test('A request that others always forestall is given up, and another one may follow', async (t) => {
  const { server, bob, talk, alice, store } = await group()
  let ttl = 60
  server.lies.push(async (request) => {
    if (isChange(request))
      await talk.change([{ kind: 'conversation-timer', messageTtl: ++ttl }], alice.device)
    return undefined
  })
  t.equal(await outcome(bob.conversations.setTimer(talk.id, 1)), 'stale-chain')
  t.strictSame(await store.list('pending-request/'), [])
  server.lies.length = 0
  await bob.conversations.setTimer(talk.id, 1)
  t.equal(talk.conversation.chain.messageTtl, 1)
})

t.test('A request over the budget is sent again as it was, when the server takes more', async (t) => {
  const { server, bob, talk } = await group()
  const posted: string[] = []
  server.lies.push((request) => {
    if (!isChange(request)) return undefined
    posted.push(JSON.stringify(request.body))
    return posted.length < 4 ? problem('too-many-requests') : undefined
  })
  await bob.conversations.setTimer(talk.id, 60)
  t.equal(posted.length, 4)
  t.equal(new Set(posted).size, 1)
  t.equal(talk.conversation.chain.messageTtl, 60)
})

t.test('A revocation renews the keys of all conversations, also past the budget and a restart', async (t) => {
  const { server, bob, store, alice, user } = await scene(t, ['alice'])
  const phone = await linkedDevice(t, server, bob)
  const { deviceId } = phone.account!
  const groups: PuppetTalk[] = []
  for (let count = 0; count < 12; count++)
    groups.push(await puppetTalk(server, 'group', [[alice.user, 'admin'], [user]], alice))
  for (const { id } of groups) await bob.conversations.get(id)
  let taken = 0
  server.lies.push((request) =>
    isChange(request) && ++taken > 4 ? noAnswer('too-many-requests') : undefined
  )
  server.seen.length = 0
  const renewed = () => groups.filter(({ conversation }) => conversation.keys.length === 2).length
  await bob.devices.revoke(deviceId)
  await bob.flush()
  t.ok(renewed() < 12, 'some have to wait')
  await bob.close()
  server.lies.length = 0
  const again = await fakeClient(t, server, { store })
  await again.flush()
  t.equal(renewed(), 12)
  await again.flush()
  t.ok(
    groups.every(({ conversation }) => conversation.keys.length === 2),
    'and each of them once'
  )
  t.notOk(hasWrappedFor(server, deviceId))
})

t.test('Later wraps go on after a restart, and the reader keeps what it has opened', async (t) => {
  const { server, bob, store, talk, alice, user } = await scene(t, ['alice'])
  for (let count = 1; count <= 3; count++) {
    await talk.say(alice, `under key ${count}`, 1)
    if (count < 3) await talk.change([], alice.device)
  }
  t.equal((await told(bob, talk.id)).length, 3)
  let posted = 0
  server.lies.push(({ path }) => (path.endsWith('/wraps') && ++posted > 1 ? noAnswer() : undefined))
  const phones = new MemoryStore()
  const phone = await fakeClient(t, server, { store: phones })
  await phone.login({ username: 'bob', password: PASSWORD })
  const number = await phone.linkNumber()
  t.match(await failure(bob.devices.approve(phone.account!.deviceId, { number })), { code: 'overloaded' })
  await phone.confirmLink(number)
  await phone.waitForApproval()
  const { deviceId } = phone.account!
  await bob.close()
  server.lies.length = 0
  await (await fakeClient(t, server, { store })).flush()
  const later = talk.conversation.keys.map(({ added }) => added.get(deviceId)?.length)
  t.strictSame(later, [1, 1, 1])
  const texts = ['under key 1', 'under key 2', 'under key 3']
  t.strictSame((await told(phone, talk.id)).sort(), texts)
  await phone.close()
  for (const key of talk.conversation.keys) key.added.clear()
  const restarted = await fakeClient(t, server, { store: phones })
  t.strictSame((await told(restarted, talk.id)).sort(), texts, 'the reader keeps what it has opened')
  t.ok(user)
})

t.test('A backup is made in this order: the device, the blob, the end of the older device', async (t) => {
  const server = new FakeServer()
  const bob = await fakeUser(t, server, 'bob')
  const user = server.requireUser('bob')
  const recovery = () =>
    [...user.history!.chain.devices.values()].filter(({ purpose }) => purpose === 'recovery')
  const first = await bob.backup.create()
  const { etag } = user.backup!
  server.seen.length = 0
  await bob.backup.create()
  const steps = server.seen.filter(({ method, path }) => method !== 'GET' && /device|backup/.test(path))
  t.strictSame(
    steps.map(({ method, path, headers }) => [
      method,
      path.replace(/[0-9a-f-]{36}/, 'ID'),
      headers.get('if-match')
    ]),
    [
      ['POST', '/v1/devices', null],
      ['PUT', '/v1/users/me/key-backup', etag],
      ['POST', '/v1/devices/ID/revocation', null]
    ]
  )
  t.equal(recovery().length, 1)
  t.ok(first.recoveryCode)

  // Another device stores a backup in the meantime.
  const [active] = recovery()
  server.lies.push(({ method, path }) => {
    if (method === 'PUT' && path.endsWith('/key-backup')) user.backup = { ...user.backup!, etag: '"another"' }
    return undefined
  })
  t.match(await failure(bob.backup.create()), { kind: 'usage', code: 'replaced-backup' })
  t.strictSame(recovery(), [active], 'the device of the one that came too late is revoked')
})

t.test(
  'A message that is refused for good is replaced by an empty one, and no reader misses it',
  async (t) => {
    const { server, bob, talk, alice, store } = await scene(t, ['alice'])
    const dora = await fakeUser(t, server, 'dora')
    await talk.change([{ kind: 'conversation-add', member: line(server.requireUser('dora')) }], alice.device)
    await bob.conversations.get(talk.id)
    const refused: string[] = []
    let refusals = 1
    server.lies.push(({ method, path, body }) => {
      if (method !== 'POST' || !path.endsWith('/messages') || refusals === 0) return undefined
      refusals--
      refused.push(body.id as string)
      return problem('invalid-request')
    })
    t.equal(await outcome(bob.send(talk.id, 'refused')), 'invalid-request')
    await bob.send(talk.id, 'taken')
    const read = await all(dora.history(talk.id, { after: 0 }))
    t.match(read, [
      { type: 'message', n: 1, content: { type: 'void' } },
      { type: 'message', n: 2, content: { type: 'text', text: 'taken' } }
    ])
    t.notOk(
      talk.conversation.messages.some(({ id }) => id === refused[0]),
      'under an id of its own'
    )

    // The server refuses the empty one, too: then it is missing, and nothing waits for it.
    refusals = 2
    t.equal(await outcome(bob.send(talk.id, 'refused again')), 'invalid-request')
    t.strictSame(await store.list('outbox/'), [])
    await bob.send(talk.id, 'taken, too')
    t.strictSame(await told(dora, talk.id), ['message', 'taken', 'withheld 3–3', 'taken, too'])
  }
)

t.test('A message that the server refuses and shows is one of two with its number', async (t) => {
  const { server, bob, talk, alice } = await scene(t, ['alice'])
  const dora = await fakeUser(t, server, 'dora')
  await talk.change([{ kind: 'conversation-add', member: line(server.requireUser('dora')) }], alice.device)
  await bob.conversations.get(talk.id)
  let isFirst = true
  server.lies.push(async (request) => {
    if (!(request.method === 'POST' && request.path.endsWith('/messages') && isFirst)) return undefined
    isFirst = false
    await request.honest()
    return problem('invalid-request')
  })
  t.equal(await outcome(bob.send(talk.id, 'refused and shown')), 'invalid-request')
  await bob.send(talk.id, 'taken')
  t.strictSame(await told(dora, talk.id), ['refused and shown', 'replayed-message', 'taken'])
})
