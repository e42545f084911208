import t from 'tap'
import { failure, Listener, PASSWORD } from '../../support/chat-clients.js'
import { noAnswer, problem } from '../../support/fake-answers.js'
import type { NewDevice } from '../../../src/protocol/devices.js'
import type { DeviceKeys } from '../../../src/client/identity/device-keys.js'
import { signStatement } from '../../../src/crypto/statements.js'
import { eventually } from '../../support/eventually.js'
import { fakeClient, fakeUser, linkedDevice } from '../../support/fake-clients.js'
import { FakeServer } from '../../support/fake-server.js'
import {
  binding,
  nextPlace,
  publicKeys,
  puppetDevice,
  rekeyed,
  request,
  revocation,
  type PuppetDevice
} from '../../support/puppet.js'
import { readableFor } from '../../support/puppet-keys.js'
import { hasWrappedFor, hijack, scene, told } from '../../support/malicious-server.js'

const SECRET = 'a secret'

/** Bob has read a secret of Alice's. */
async function withSecret(kind: 'direct' | 'group' = 'direct') {
  const all = await scene(t, ['alice'], { kind })
  await all.talk.say(all.alice, SECRET, 1)
  t.strictSame(await told(all.bob, all.talk.id), [SECRET])
  const reads = (device: Parameters<typeof readableFor>[0]) =>
    readableFor(device, all.talk.conversation, all.server)
  return { ...all, reads }
}

t.test(
  'A backup gives no key to a device that the server puts in the place of the recovery device',
  async (t) => {
    const { server, bob, user, reads } = await withSecret()
    let evil: PuppetDevice | undefined
    server.lies.push(async ({ method, path, body }) => {
      if (method !== 'POST' || path !== '/v1/devices') return undefined
      evil ??= await hijack(user, body.id as string)
      return { device: user.shown({ ...publicKeys(evil), ...body }, 'active') }
    })
    t.match(await failure(bob.backup.create()), { kind: 'untrusted', code: 'displaced' })
    await bob.flush().catch(() => undefined)
    t.strictSame(await reads(evil!), [])
    t.equal(user.backup, null, 'and no blob leaves')
  }
)

t.test('A task to share keys goes on, after a restart, with the keys that were meant only', async (t) => {
  const { server, bob, store, user, reads } = await withSecret()
  let id = ''
  server.lies.push(({ method, path, body }) => {
    if (method !== 'POST' || path !== '/v1/devices') return undefined
    id = body.id as string
    return problem('overloaded')
  })
  t.match(await failure(bob.backup.create()), { code: 'overloaded' })
  server.lies.length = 0
  await bob.close()
  const evil = await hijack(user, id)
  const again = await fakeClient(t, server, { store })
  await again.flush().catch(() => undefined)
  t.strictSame(await reads(evil), [])
})

t.test('An approval gives no key to a device that has the id of the one that asked', async (t) => {
  for (const time of ['before', 'meanwhile']) {
    const { server, bob, user, reads } = await withSecret()
    const phone = await puppetDevice()
    user.waiting.set(phone.id, await request(user, phone))
    const number = await bob.devices.linkNumber(phone.id)
    let evil = time === 'before' ? await hijack(user, phone.id) : undefined
    server.lies.push(async ({ path }) => {
      if (!path.endsWith('/approval')) return undefined
      evil ??= await hijack(user, phone.id)
      return { device: user.shown(publicKeys(evil), 'active') }
    })
    t.match(await failure(bob.devices.approve(phone.id, { number })), { kind: 'untrusted' }, time)
    t.match(await failure(bob.devices.approve(phone.id, { number })), { code: 'displaced' }, time)
    await bob.flush().catch(() => undefined)
    t.strictSame(await reads(evil!), [], time)
  }
})

t.test('An old event that adds this user, shown again after a reset, shares no key', async (t) => {
  for (const isAnnounced of [true, false]) {
    const { server, bob, user, talk, alice, listen, reads } = await withSecret('group')
    await talk.change([{ kind: 'conversation-remove', username: 'bob' }], alice.device)
    const member = { username: 'bob', role: 'member', root: user.root } as const
    const added = await talk.change([{ kind: 'conversation-add', member }], alice.device)
    await talk.say(alice, 'again', 1)
    const heard = await listen()
    await heard.message('again')
    const evil = await hijack(user)
    server.announce(user, user.statements.at(isAnnounced ? -1 : 0))
    if (isAnnounced) await heard.first('untrusted', ({ error }) => error.code === 'displaced')
    talk.announce(added)
    await talk.say(alice, 'end', 2)
    await heard.message('end')
    await bob.flush().catch(() => undefined)
    t.strictSame(await reads(evil), [])
  }
})

t.test('A member who adds this user under a root of the server’s gets no key for it', async (t) => {
  const { server, bob, user, talk, alice, listen, reads } = await withSecret('group')
  const heard = await listen()
  const evil = await hijack(user)
  await talk.change([{ kind: 'conversation-remove', username: 'bob' }], alice.device)
  const member = { username: 'bob', role: 'member', root: user.root } as const
  await talk.change([{ kind: 'conversation-add', member }], alice.device)
  await heard.first('untrusted', ({ error }) => error.code === 'displaced')
  await bob.flush().catch(() => undefined)
  t.notOk((await reads(evil)).includes(SECRET))
  t.notOk(server.seen.some(({ path }) => path.endsWith('/wraps')))
})

t.test('Two users do not see the same number while the server stands in the place of one', async (t) => {
  const server = new FakeServer()
  const [alice, bob] = [await fakeUser(t, server, 'alice'), await fakeUser(t, server, 'bob')]
  const before = await alice.contacts.safetyNumber('bob')
  t.equal(await bob.contacts.safetyNumber('alice'), before)
  const evil = await hijack(server.requireUser('alice'))
  server.announce(server.requireUser('alice'))
  t.match(await failure(alice.contacts.safetyNumber('bob')), { kind: 'untrusted', code: 'displaced' })
  const read = await bob.contacts.safetyNumber('alice')
  t.not(read, before)
  t.match(await failure(alice.contacts.verify('bob', read)), { code: 'displaced' })
  t.match(await failure(bob.contacts.verify('alice', before)), { code: 'other-safety-number' })
  t.match(await bob.contacts.get('alice'), { status: 'changed', root: evil.signing.fingerprint })
})

t.test('An approval, a revocation and a rekey that the server confirms and ignores are told', async (t) => {
  const { server, bob, user, alice, talk } = await scene(t, ['alice'], { kind: 'direct' })
  const phone = await puppetDevice()
  user.waiting.set(phone.id, await request(user, phone))
  const number = await bob.devices.linkNumber(phone.id)
  const confirms = /\/(approval|revocation|encryption-key)$/
  server.lies.push(({ path }) =>
    confirms.test(path)
      ? { device: user.shown(user.devices.get(phone.id) ?? publicKeys(phone), 'active') }
      : undefined
  )
  t.match(await failure(bob.devices.approve(phone.id, { number })), { code: 'ignored-statement' })
  server.lies.length = 0
  await bob.devices.approve(phone.id, { number })
  await bob.send(talk.id, 'one')
  server.lies.push(({ path }) =>
    confirms.test(path) ? { device: user.shown(publicKeys(phone), 'revoked') } : undefined
  )
  t.match(await failure(bob.devices.revoke(phone.id)), { code: 'ignored-statement' })
  server.seen.length = 0
  await talk.change([], alice.device)
  await bob.send(talk.id, 'they stole my phone').catch(() => undefined)
  t.notOk(hasWrappedFor(server, phone.id), 'no new key for a device that its user has revoked')
  t.match(await failure(bob.devices.rekey()), { code: 'ignored-statement' })
})

t.test(
  'A revocation or a rekey that is refused after a restart is told at each start, until it is made',
  async (t) => {
    for (const ending of ['/revocation', '/encryption-key']) {
      const { server, bob, store, user } = await scene(t, ['alice'])
      const phone = await linkedDevice(t, server, bob)
      const stolen = phone.account!.deviceId
      await phone.close()
      const isIt = ({ path }: { path: string }) => path.endsWith(ending)
      server.lies.push((request) => (isIt(request) ? noAnswer() : undefined))
      const work = ending === '/revocation' ? bob.devices.revoke(stolen) : bob.devices.rekey()
      t.match(await failure(work), { code: 'overloaded' })
      await bob.close()
      server.lies.length = 0
      server.lies.push((request) => (isIt(request) ? problem('forbidden') : undefined))
      for (let start = 1; start <= 2; start++) {
        const again = await fakeClient(t, server, { store })
        const heard = new Listener(t, again)
        await eventually(() => {
          server.log.keepAlive('bob')
          return heard.heard.some(({ type }) => type === 'untrusted')
        })
        const { error } = await heard.first('untrusted')
        t.match(error, { code: 'refused-statement' }, `${ending}, start ${start}`)
        await again.close()
      }
      server.lies.length = 0
      const before = user.history!.chain.sequence
      const honest = await fakeClient(t, server, { store })
      await honest.flush()
      t.equal(user.history!.chain.sequence, before + 1, ending)
      if (ending === '/revocation') t.notOk(user.history!.chain.devices.has(stolen))
      t.strictSame(await store.list('lost-statement/'), [])
      await honest.flush()
      t.equal(user.history!.chain.sequence, before + 1, 'once')
    }
  }
)

t.test('An approval that is refused after a restart is told, unless the device was added', async (t) => {
  for (const isAdded of [false, true]) {
    const { server, bob, store, user } = await scene(t, ['alice'], { kind: 'direct' })
    const other = await linkedDevice(t, server, bob)
    const phone = await puppetDevice()
    user.waiting.set(phone.id, await request(user, phone))
    const number = await bob.devices.linkNumber(phone.id)
    server.lies.push(({ path }) => (path.endsWith('/approval') ? noAnswer() : undefined))
    t.match(await failure(bob.devices.approve(phone.id, { number })), { code: 'overloaded' })
    await bob.close()
    server.lies.length = 0
    if (isAdded) await other.devices.approve(phone.id, { number: await other.devices.linkNumber(phone.id) })
    else server.lies.push(({ path }) => (path.endsWith('/approval') ? problem('forbidden') : undefined))
    const again = await fakeClient(t, server, { store })
    await again.flush()
    const codes = again.noticed().map((event) => event.type === 'untrusted' && event.error.code)
    t.strictSame(codes, isAdded ? [] : ['refused-statement'])
    t.strictSame(await store.list('lost-statement/'), [])
  }
})

t.test('Private keys are destroyed by signed statements only, whatever the server answers', async (t) => {
  const { server, bob, user, alice, talk } = await scene(t, ['alice'], { kind: 'direct' })
  const own = user.devices.get(bob.account!.deviceId)!
  server.lies.push(({ path, body }) => {
    if (path === '/v1/auth/login' && body.deviceId !== undefined) return problem('device-not-found')
    return path.endsWith('/encryption-key') ? { device: user.shown(own, 'active') } : undefined
  })
  t.match(await failure(bob.devices.rekey()), { code: 'ignored-statement' })
  t.match(await failure(bob.login({ username: 'bob', password: PASSWORD })), { code: 'forgotten-device' })
  server.lies.length = 0
  await talk.say(alice, 'still here?', 1)
  t.match(await bob.login({ username: 'bob', password: PASSWORD }), { status: 'active', deviceId: own.id })
  t.strictSame(await told(bob, talk.id), ['still here?'])
})

t.test(
  'A log-in keeps the private keys, whatever chain the server shows: only the person gives them up',
  async (t) => {
    for (const ending of ['event', 'status', 'restart']) {
      const { server, bob, store, user, alice, talk, listen } = await scene(t, ['alice'], { kind: 'direct' })
      await talk.say(alice, SECRET, 1)
      t.strictSame(await told(bob, talk.id), [SECRET])
      const { deviceId } = bob.account!
      const { signing } = (await store.get<DeviceKeys>('device'))!
      const isKept = async () =>
        (await store.get<DeviceKeys>('device'))?.signing.fingerprint === signing.fingerprint
      const heard = ending === 'event' ? await listen() : null
      const fork = await user.fork(user.statements.length)
      await hijack(fork)
      server.view = (name) => (name === 'bob' ? fork : server.users.get(name))
      server.sessions.clear()
      if (heard !== null) {
        server.log.send('bob', 'event: session.ended\ndata: {"reason":"ended"}\n\n')
        t.match(await failure(heard.first('reset')), { kind: 'logged-out' })
      }
      if (ending === 'restart') await bob.close()
      const client = ending === 'restart' ? await fakeClient(t, server, { store }) : bob

      const who = { username: 'bob', password: PASSWORD }
      for (const time of ['first', 'second']) {
        t.match(
          await failure(client.login(who)),
          { kind: 'untrusted', code: 'displaced' },
          `${ending}, ${time}`
        )
        t.match(client.account, { deviceId, status: 'displaced', loggedIn: false })
        t.ok(await isKept())
      }
      t.match(client.noticed(), [{ type: 'untrusted', error: { code: 'displaced' } }])
      server.view = (name) => server.users.get(name)
      server.sessions.clear()
      await client.login(who).catch(() => undefined)
      t.ok(await isKept())

      server.view = (name) => (name === 'bob' ? fork : server.users.get(name))
      const keys = await store.list('key/')
      const begun = await client.login({ ...who, asNewDevice: true })
      t.equal(begun.status, 'pending')
      t.not(begun.deviceId, deviceId)
      t.notOk(await isKept())
      t.strictSame(await store.list('key/'), keys, 'the session keys stay')
    }
  }
)

t.test(
  'A new device in a world of the server’s making is not linked, whatever the server says',
  async (t) => {
    const world = new FakeServer()
    const { user, device } = await world.puppet('alice')
    user.password = PASSWORD
    await world.puppet('bob')
    world.lies.push(async ({ method, path, body }) => {
      if (method !== 'POST' || path !== '/v1/devices') return undefined
      const { text, signatures } = (body as NewDevice).statement
      const approval = await signStatement(text, device.signing)
      await world.extendUser(
        user,
        { text, signatures: { ...signatures, ...approval.signatures } },
        body as NewDevice
      )
      return { device: user.shown({ ...(body as NewDevice), encryptionVersion: 1 }, 'active') }
    })
    const phone = await fakeClient(t, world)
    t.match(await phone.login({ username: 'alice', password: PASSWORD }), { status: 'pending' })
    const shown = await phone.linkNumber()

    // In the true world the other device shows another number, so the person does not confirm this one.
    const truth = new FakeServer()
    const laptop = await fakeUser(t, truth, 'alice')
    const keys = user.devices.get(phone.account!.deviceId)!
    const statement = user.statements.at(-1)!
    truth.requireUser('alice').waiting.set(keys.id, { ...keys, name: 'phone', statement })
    t.not(await laptop.devices.linkNumber(keys.id), shown)

    await t.rejects(phone.waitForApproval({ signal: AbortSignal.timeout(300) }))
    t.match(phone.account, { status: 'pending' })
    t.match(await failure(phone.send({ username: 'bob' }, 'to whom?')), { code: 'device-pending' })
  }
)

t.test('Keys that were to be shared go to no device that has gone since, or has other keys', async (t) => {
  for (const change of ['nothing', 'revoked', 'rekeyed'] as const) {
    const { server, bob, store, user } = await withSecret('group')
    const phone = await puppetDevice()
    user.waiting.set(phone.id, await request(user, phone))
    const number = await bob.devices.linkNumber(phone.id)
    server.lies.push(({ path }) => (path.endsWith('/wraps') ? noAnswer() : undefined))
    t.match(await failure(bob.devices.approve(phone.id, { number })), { code: 'overloaded' })
    await bob.close()
    server.lies.length = 0
    const next = await rekeyed(phone)
    if (change === 'revoked') await user.append(await revocation(nextPlace(user), phone.id, phone))
    if (change === 'rekeyed')
      await user.append(await binding('device-rekey', nextPlace(user), next), publicKeys(next))
    server.seen.length = 0
    const again = await fakeClient(t, server, { store })
    await again.flush()
    const shared = server.seen.filter(({ path }) => path.endsWith('/wraps')).length
    t.equal(shared, change === 'nothing' ? 1 : 0, change)
    t.strictSame(await store.list('sharing/'), [], 'nothing waits')
  }
})

t.test(
  'Keys wait for an approved device that the server hides, until the chain shows it or retires it',
  async (t) => {
    for (const end of ['shown', 'revoked'] as const) {
      const { server, bob, store, user } = await withSecret('group')
      const phone = await puppetDevice()
      user.waiting.set(phone.id, await request(user, phone))
      const number = await bob.devices.linkNumber(phone.id)
      const before = await user.fork(user.history!.chain.sequence)
      let isHidden = false
      server.view = (username) => (username === 'bob' && isHidden ? before : server.users.get(username))
      server.lies.push(async ({ path, honest }) => {
        if (!path.endsWith('/approval')) return undefined
        const answer = await honest()
        isHidden = true
        return answer
      })
      t.match(await failure(bob.devices.approve(phone.id, { number })), { code: 'ignored-statement' })
      await bob.flush()
      await bob.close()
      const again = await fakeClient(t, server, { store })
      await again.flush()
      const shared = () => server.seen.filter(({ path }) => path.endsWith('/wraps')).length
      t.equal(shared(), 0, 'nothing goes to a device that the chain lacks')
      isHidden = false
      server.lies.length = 0
      if (end === 'revoked') await user.append(await revocation(nextPlace(user), phone.id, phone))
      await again.flush()
      t.equal(shared(), end === 'shown' ? 1 : 0, end)
      t.strictSame(await store.list('sharing/'), [], 'nothing waits')
    }
  }
)
