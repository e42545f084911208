import { randomUUID } from 'node:crypto'
import type { Value } from '../../../src/client/stores/store.js'
import t from 'tap'
import type { ChatClient } from '../../../src/client/client.js'
import { signStatement } from '../../../src/crypto/statements.js'
import { generateSessionKey, type SessionKey } from '../../../src/crypto/session-keys.js'
import { wrapHash, wrapSessionKey } from '../../../src/crypto/wraps.js'
import { decodeKemKey } from '../../../src/crypto/kem.js'
import { fingerprint, importEncryptionKey } from '../../../src/crypto/keys.js'
import { statementText } from '../../../src/protocol/statement-texts.js'
import type { PublicDevice } from '../../../src/protocol/devices.js'
import { Listener, PASSWORD } from '../../support/chat-clients.js'
import { eventually } from '../../support/eventually.js'
import { problem } from '../../support/fake-answers.js'
import { fakeClient } from '../../support/fake-clients.js'
import type { FakeServer, Lie } from '../../support/fake-server.js'
import { hijack, scene, told } from '../../support/malicious-server.js'
import type { PuppetDevice } from '../../support/puppet.js'
import { puppetTalk, type PuppetTalk } from '../../support/puppet-talk.js'
import type { PuppetKey } from '../../support/puppet-conversation.js'

/** A wrap for a device, as anybody can make it who has the session key. */
async function wrapFor(device: PublicDevice, hash: string, secret: SessionKey): Promise<string> {
  const recipient = {
    signingKey: await fingerprint(device.signingKey),
    encryptionKey: await importEncryptionKey(device.encryptionKey),
    kemKey: decodeKemKey(device.kemKey!)
  }
  return wrapSessionKey(secret, recipient, hash)
}

/** A later wrap with its statement, signed by any device. */
async function laterWrap(
  conversation: string,
  key: string,
  device: PublicDevice,
  wrappedKey: string,
  by: PuppetDevice
) {
  const text = statementText({
    kind: 'wrap-added',
    conversation,
    key,
    reader: await fingerprint(device.signingKey),
    wrap: await wrapHash(wrappedKey),
    by: by.signing.fingerprint
  })
  return { wrappedKey, statement: await signStatement(text, by.signing) }
}

/** Bob links another device, which reads what was said before. */
async function linked(server: FakeServer, bob: ChatClient): Promise<ChatClient> {
  const phone = await fakeClient(t, server)
  await phone.login({ username: 'bob', password: PASSWORD })
  const number = await phone.linkNumber()
  await bob.devices.approve(phone.account!.deviceId, { number })
  await phone.confirmLink(number)
  await phone.waitForApproval()
  return phone
}

t.test('A wrap that holds another key, or none that opens, is refused', async (t) => {
  const { bob, talk, alice, user } = await scene(t, ['alice'])
  const own = user.devices.get(bob.account!.deviceId)!
  const lies: [wrap: (key: PuppetKey) => string | Promise<string>, code: string][] = [
    [async ({ hash, secret }) => wrapFor(own, hash, await generateSessionKey(secret.id)), 'wrong-commitment'],
    [({ secret }) => wrapFor(own, 'ab'.repeat(32), secret), 'bad-wrap'],
    [() => 'A'.repeat(2000), 'bad-wrap']
  ]
  for (const [wrap, code] of lies) {
    const key = await talk.change([], alice.device)
    talk.conversation.key.wraps.set(own.id, await wrap(key))
    const { position } = await talk.say(alice, 'under it', 1)
    t.equal((await told(bob, talk.id, position - 1)).at(-1), code)
  }
})

t.test(
  'A client that only reads tells who has wrapped a key wrongly for it, and makes one other key for each',
  async (t) => {
    let time = Date.now()
    const { bob, talk, alice, mallory, store, listen } = await scene(t, ['alice', 'mallory'], {
      now: () => time
    })
    const { deviceId } = bob.account!
    const heard = await listen()
    const junk = async (): Promise<PuppetKey> => {
      const key = await talk.change([], mallory.device)
      talk.conversation.key.wraps.set(deviceId, 'A'.repeat(2000))
      return key
    }
    const keys = () => talk.conversation.keys.length

    let bad = await junk()
    const before = keys()
    await talk.say(alice, 'one', 1, { key: bad })
    await talk.say(alice, 'two', 2, { key: bad })
    t.match(await heard.first('unreadable'), {
      reason: 'untrusted',
      error: { code: 'bad-wrap', message: /mallory/ }
    })
    const { error, username, conversationId } = await heard.first('untrusted')
    t.match(error, { code: 'bad-wrap', message: /mallory/ })
    t.strictSame([username, conversationId], ['mallory', talk.id])
    await eventually(() => keys() > before)
    await talk.say(alice, 'three', 3, { key: bad })
    await bob.flush()
    t.equal(keys(), before + 1, 'one for each, and none for a key that is not the newest')

    // A server that conspires with a member gets no more than an honest one would take.
    for (let rounds = 0; rounds < 8; rounds++) {
      bad = await junk()
      await talk.say(alice, `again ${rounds}`, 1, { key: bad })
      await heard.first('unreadable', ({ key }) => key === bad.hash)
      await bob.flush()
    }
    t.equal(keys(), before + 1 + 8 + 4)
    time += 25 * 3600 * 1000
    bad = await junk()
    await talk.say(alice, 'the next day', 1, { key: bad })
    await heard.first('unreadable', ({ key }) => key === bad.hash)
    await eventually(() => talk.conversation.key.hash !== bad.hash)
    t.equal((await store.list('wrong-wrap/')).length, 1)
  }
)

t.test('A wrong wrap makes no key where a person has to decide first', async (t) => {
  const { bob, talk, alice, mallory, listen, server, store } = await scene(t, ['alice', 'mallory'])
  await bob.contacts.verify('alice', await bob.contacts.safetyNumber('alice'))
  const heard = await listen()
  await talk.change([], mallory.device)
  talk.conversation.key.wraps.set(bob.account!.deviceId, 'A'.repeat(2000))
  const { hash } = talk.conversation.key
  await hijack(alice.user)
  t.match(await bob.contacts.get('alice'), { status: 'changed' })
  await talk.say(mallory, 'to whom?', 1)
  await heard.first('unreadable')
  await bob.flush()
  t.equal(talk.conversation.key.hash, hash)
  await bob.close()
  const again = await fakeClient(t, server, { store })
  await again.contacts.accept('alice', { root: alice.user.root })
  await again.flush()
  t.not(talk.conversation.key.hash, hash, 'then it is made')
})

t.test('Later wraps by others count for nothing, and keep a good one back in no way', async (t) => {
  const { server, bob, talk, alice, mallory, user } = await scene(t, ['alice', 'mallory'])
  await talk.say(alice, 'before the phone', 1)
  t.strictSame(await told(bob, talk.id), ['before the phone'])
  const phone = await linked(server, bob)
  const device = user.devices.get(phone.account!.deviceId)!
  const { added } = talk.conversation.keys[0]!
  const good = added.get(device.id)!
  t.equal(good.length, 1)
  const wrap = await wrapFor(device, talk.key.hash, talk.key.secret)
  const byMallory = await laterWrap(talk.id, talk.key.hash, device, wrap, mallory.device)
  added.set(device.id, [byMallory])
  t.strictSame(await told(phone, talk.id), ['unreadable-key'], 'a right one of a stranger')

  const again = await linked(server, bob)
  const other = user.devices.get(again.account!.deviceId)!
  const junk = await wrapFor(other, talk.key.hash, await generateSessionKey(talk.key.secret.id))
  added.set(other.id, [
    { ...added.get(other.id)![0]!, wrappedKey: 'A'.repeat(2000) },
    { ...added.get(other.id)![0]!, wrappedKey: junk },
    await laterWrap(talk.id, talk.key.hash, other, junk, mallory.device),
    ...added.get(other.id)!
  ])
  t.strictSame(await told(again, talk.id), ['before the phone'])
})

t.test('Later wraps in great number: as many are tried as a user may have devices', async (t) => {
  const { server, bob, talk, alice, user } = await scene(t, ['alice'])
  await talk.say(alice, 'before the phone', 1)
  t.strictSame(await told(bob, talk.id), ['before the phone'])
  const phone = await linked(server, bob)
  const { added } = talk.conversation.keys[0]!
  const { deviceId } = phone.account!
  const [good] = added.get(deviceId)!
  t.ok(user.devices.has(deviceId))
  const behind = (count: number) => [
    ...Array.from({ length: count }, () => ({ ...good!, wrappedKey: 'A'.repeat(2000) })),
    good!
  ]
  added.set(deviceId, behind(16))
  t.strictSame(await told(phone, talk.id), ['unreadable-key'])
  const again = await linked(server, bob)
  const other = again.account!.deviceId
  const [theirs] = added.get(other)!
  added.set(other, behind(15).slice(0, 15).concat(theirs!))
  t.strictSame(await told(again, talk.id), ['before the phone'])
})

t.test('A replaced private key stays until each wrap that was made for it was fetched', async (t) => {
  const { server, bob, talk, alice, store } = await scene(t, ['alice', 'carol'])
  await talk.say(alice, 'one', 1)
  await talk.change([], alice.device)
  await talk.say(alice, 'two', 1)
  const retired = async () => (await store.get<{ retired: Value[] }>('device'))!.retired.length
  const hides = [
    ({ path }: { path: string }) =>
      /\/session-keys\/./.test(path) ? problem('session-key-not-found') : undefined,
    ({ path }: { path: string }) => (path === '/v1/conversations' ? { items: [], next: null } : undefined),
    ({ path }: { path: string }) =>
      path.startsWith(`/v1/conversations/${talk.id}`) ? problem('conversation-not-found') : undefined
  ]
  await bob.conversations.get(talk.id)
  for (const hide of hides) {
    server.lies.push(hide)
    await bob.devices.rekey()
    server.lies.length = 0
    await talk.change([], alice.device)
  }
  t.ok((await retired()) > 0)
  t.strictSame(await told(bob, talk.id), ['one', 'two'])
  await bob.flush()
  t.equal(await retired(), 0)
})

t.test(
  'A replaced private key opens what the stream has not brought yet, of a group that is over',
  async (t) => {
    const { server, bob, alice, user, store, listen } = await scene(t, ['alice'])
    const short = await puppetTalk(server, 'group', [[alice.user, 'admin'], [user]], alice)
    await short.say(alice, 'for Bob', 1)
    await short.change([{ kind: 'conversation-remove', username: 'bob' }], alice.device)
    const { statements, lastPosition } = short.conversation
    short.conversation.left.set('bob', { statements: statements.length, lastPosition })
    await bob.devices.rekey()
    const heard = await listen()
    await heard.message('for Bob')
    t.equal((await store.get<{ retired: Value[] }>('device'))!.retired.length, 0)
  }
)

t.test('A replaced private key that stays for a day is told, until it is destroyed', async (t) => {
  const hides: [what: string, lie: (talk: PuppetTalk) => Lie][] = [
    [
      'a wrap',
      () =>
        ({ path }) =>
          /\/session-keys\/./.test(path) ? problem('session-key-not-found') : undefined
    ],
    [
      'a conversation',
      ({ id }) =>
        ({ path }) =>
          path.startsWith(`/v1/conversations/${id}`) ? problem('conversation-not-found') : undefined
    ],
    [
      'one that is only listed',
      () =>
        async ({ path, method, honest }) => {
          if (method !== 'GET' || path !== '/v1/conversations') return undefined
          const body = (await (await honest()).json()) as { items: object[] }
          return { ...body, items: [...body.items, { ...body.items[0], id: randomUUID() }] }
        }
    ]
  ]
  for (const [what, lie] of hides) {
    let time = Date.now()
    const { server, bob, talk, alice, store, listen } = await scene(t, ['alice'], { now: () => time })
    const heard = await listen()
    await bob.conversations.get(talk.id)
    await talk.change([], alice.device)
    const retired = async () => (await store.get<{ retired: Value[] }>('device'))!.retired.length
    const told = () => heard.heard.flatMap((event) => (event.type === 'untrusted' ? [event.error.code] : []))
    server.lies.push(lie(talk))
    await bob.devices.rekey()
    await bob.flush()
    t.equal(await retired(), 1, what)
    t.strictSame(bob.noticed(), [], 'an answer may be lost')
    time += 25 * 3600 * 1000
    await bob.flush()
    t.strictSame(bob.noticed(), [], 'nothing has come')
    await talk.change([], alice.device)
    await eventually(async () => {
      await bob.flush()
      server.log.keepAlive('bob')
      return told().length > 0
    })
    await bob.flush()
    server.log.keepAlive('bob')
    await bob.flush()
    t.strictSame(told(), ['kept-keys'], 'once')
    t.equal(await retired(), 1, 'a 404 destroys nothing')
    server.lies.length = 0
    await bob.flush()
    t.equal(await retired(), 0)
    t.equal(await store.get('rekey/kept'), undefined)
  }
})

t.test('A replaced private key that stays since this user was removed meanwhile is no alarm', async (t) => {
  let time = Date.now()
  const { bob, talk, alice, store, listen } = await scene(t, ['alice', 'carol'], { now: () => time })
  await bob.conversations.get(talk.id)
  await talk.say(alice, 'one', 1)
  await talk.change([{ kind: 'conversation-remove', username: 'bob' }], alice.device)
  await bob.devices.rekey()
  for (let days = 1; days <= 3; days++) {
    time += 24 * 3600 * 1000
    await bob.flush()
  }
  const retired = async () => (await store.get<{ retired: Value[] }>('device'))!.retired.length
  t.equal(await retired(), 1)
  t.strictSame(bob.noticed(), [])
  const heard = await listen()
  await heard.first('members')
  await bob.flush()
  t.equal(await retired(), 0)
  t.notOk(heard.heard.some((event) => event.type === 'untrusted'))
})

t.test('A wrap for a replaced key that does not open is told, and keeps nothing', async (t) => {
  const { bob, talk, alice, store, listen, user } = await scene(t, ['alice'])
  const heard = await listen()
  talk.conversation.key.wraps.set(user.active[0]!.id, 'A'.repeat(2000))
  await bob.devices.rekey()
  await talk.change([], alice.device)
  t.match(await heard.first('untrusted'), { error: { code: 'bad-wrap' }, conversationId: talk.id })
  t.strictSame((await store.get<{ retired: Value[] }>('device'))!.retired, [])
})

t.test('A device that forgets the past destroys its keys, whatever the server shows', async (t) => {
  const { server, bob, talk, alice, store } = await scene(t, ['alice'])
  await talk.say(alice, 'one', 1)
  await bob.conversations.get(talk.id)
  server.lies.push(({ path }) =>
    /\/session-keys\/./.test(path) ? problem('session-key-not-found') : undefined
  )
  await bob.devices.rekey({ forgetPast: true })
  server.lies.length = 0
  t.strictSame((await store.get<{ retired: Value[] }>('device'))!.retired, [])
  t.strictSame(await store.list('key/'), [])
  await talk.change([], alice.device)
  await talk.say(alice, 'two', 1)
  const [first, second] = await told(bob, talk.id)
  t.not(first, 'one')
  t.equal(second, 'two')
})

t.test('A session key whose maker had not seen a new device is forwarded to it', async (t) => {
  const { server, bob, talk, alice, user, listen } = await scene(t, ['alice'])
  await bob.send(talk.id, 'hello')
  const heard = await listen()
  const phone = await linked(server, bob)
  const { deviceId } = phone.account!
  await heard.first('device-changed', ({ change }) => change === 'added')
  const phones = new Listener(t, phone)
  await phones.first('connected')
  const before = [...user.history!.chain.devices.keys()].filter((id) => id !== deviceId)
  const key = await talk.change([], alice.device, { state: [], without: [deviceId] })
  t.strictSame([...talk.conversation.key.wraps.keys()].sort(), [alice.device.id, ...before].sort())
  await talk.say(alice, 'who is new here?', 1, { key })
  await phones.message('who is new here?')
  const unreadable = phones.heard.filter((event) => event.type === 'unreadable')
  t.match(unreadable, unreadable.length === 0 ? [] : [{ reason: 'no-key' }])
  t.strictSame([...talk.conversation.key.added.keys()], [deviceId])

  // A key that knows the device is not wrapped for it again.
  await talk.change([], alice.device)
  await talk.say(alice, 'you are', 2)
  await phones.message('you are')
  await heard.message('you are')
  await bob.flush()
  t.equal(talk.conversation.key.added.size, 0)
  t.equal(server.seen.filter(({ path }) => path.includes(`/${key.secret.id}/wraps`)).length, 1)
})
