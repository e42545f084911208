import t from 'tap'
import { failure, Listener, PASSWORD } from '../../support/chat-clients.js'
import { eventually } from '../../support/eventually.js'
import type { ChatError } from '../../../src/client/errors.js'
import { fakeClient, fakeUser, linkedDevice } from '../../support/fake-clients.js'
import { FakeServer } from '../../support/fake-server.js'
import type { FakeUser } from '../../support/fake-user.js'
import { hasWrappedFor, hijack, outcome, scene } from '../../support/malicious-server.js'
import { puppetDevice, request, type PuppetDevice } from '../../support/puppet.js'
import { line } from '../../support/puppet-conversation.js'
import { openKey } from '../../support/puppet-keys.js'
import { puppetTalk, PuppetTalk } from '../../support/puppet-talk.js'

t.test(
  'A newcomer takes no fork of a removed admin once the member who added them has said so',
  async (t) => {
    const { server, bob, talk, alice, mallory, user, listen } = await scene(t, ['alice', 'mallory'])
    const direct = await puppetTalk(server, 'direct', [[alice.user], [user]], alice)
    const others = [[alice.user, 'admin'] as const, [mallory.user, 'admin'] as const]
    const group = await puppetTalk(server, 'group', others, alice)
    const ghost = await server.puppet('ghost')
    const fork = await group.conversation.fork(1, server.users)
    await group.change([{ kind: 'conversation-remove', username: 'mallory' }], alice.device)
    await group.change([{ kind: 'conversation-add', member: line(user) }], alice.device)
    const { sequence, head } = group.conversation.chain
    // The stream hides what Alice has signed.
    server.log.events.length = 0
    const heard = await listen()
    await direct.say(alice, { type: 'welcome', conversation: group.id, sequence, head }, 1)
    await heard.first('message', ({ content }) => content.type === 'welcome')

    server.conversations.set(group.id, fork)
    group.conversation = fork
    for (const member of [line(user), line(ghost.user)])
      await group.change([{ kind: 'conversation-add', member }], mallory.device)
    server.seen.length = 0
    t.equal(await outcome(bob.send(group.id, 'x')), 'forked-chain')
    t.equal(await outcome(bob.conversations.setTimer(group.id, 60)), 'forked-chain')
    t.notOk(hasWrappedFor(server, ghost.device.id))
    await bob.conversations.accept(group.id, (await bob.conversations.get(group.id)).head)
    t.equal(await outcome(bob.send(group.id, 'as the person says')), 'done')
    t.ok(talk.id)
  }
)

t.test('A welcome by a user who is not in the conversation stops nobody', async (t) => {
  const { server, bob, talk, alice, user, listen } = await scene(t, ['alice'])
  const mallory = await server.puppet('mallory')
  const direct = await puppetTalk(server, 'direct', [[mallory.user], [user]], mallory)
  const heard = await listen()
  const head = 'ab'.repeat(32)
  await direct.say(mallory, { type: 'welcome', conversation: talk.id, sequence: 999, head }, 1)
  await heard.first('message', ({ content }) => content.type === 'welcome')
  t.equal(await outcome(bob.send(talk.id, 'still here')), 'done')
  await talk.say(alice, 'me too', 1)
  await heard.message('me too')
})

t.test('A member who has gone, or who is no admin, stops nobody by a welcome', async (t) => {
  const { server, bob, talk, alice, mallory, user, listen } = await scene(t, ['alice', 'mallory'])
  const direct = await puppetTalk(server, 'direct', [[mallory.user], [user]], mallory)
  const heard = await listen()
  let n = 0
  const welcome = async (): Promise<string> => {
    const content = { type: 'welcome', conversation: talk.id, sequence: 900 + ++n, head: 'ab'.repeat(32) }
    await direct.say(mallory, content, n)
    await heard.first('message', (event) => event.n === n && event.conversationId === direct.id)
    return outcome(bob.send(talk.id, `after welcome ${n}`))
  }
  const role = (one: FakeUser, role: 'admin' | 'member') =>
    talk.change([{ kind: 'conversation-role', member: line(one, role) }], alice.device)

  t.equal(await welcome(), 'done', 'a member adds nobody')
  await role(mallory.user, 'admin')
  t.equal(await welcome(), 'withheld-chain', 'an admin may have')
  await role(mallory.user, 'member')
  t.equal(await outcome(bob.send(talk.id, 'an admin no more')), 'done')
  await role(mallory.user, 'admin')
  await role(user, 'admin')
  t.equal(await outcome(bob.send(talk.id, 'an admin again')), 'withheld-chain')
  t.equal(await outcome(bob.conversations.remove(talk.id, 'mallory')), 'done', 'the word falls with them')
  t.equal(await outcome(bob.send(talk.id, 'they are out')), 'done')
  t.equal(await welcome(), 'done', 'and says nothing from there')
  await talk.change([{ kind: 'conversation-add', member: line(mallory.user, 'admin') }], alice.device)
  t.equal(await outcome(bob.send(talk.id, 'they are back')), 'done')
})

t.test(
  'A welcome that the person has overruled stops nobody again, nor does one that goes less far',
  async (t) => {
    const { server, bob, store, talk, mallory, user, listen } = await scene(t, ['mallory'])
    const direct = await puppetTalk(server, 'direct', [[mallory.user], [user]], mallory)
    const heard = await listen()
    let n = 0
    const welcome = async (sequence: number): Promise<string> => {
      const content = { type: 'welcome', conversation: talk.id, sequence, head: 'ab'.repeat(32) }
      await direct.say(mallory, content, ++n)
      await heard.first('message', (event) => event.n === n && event.conversationId === direct.id)
      return outcome(bob.send(talk.id, `after welcome ${n}`))
    }
    await talk.change([], mallory.device)
    t.equal(await welcome(900), 'withheld-chain')
    await bob.conversations.accept(talk.id, talk.conversation.head)
    for (const sequence of [900, 899, 2]) t.equal(await welcome(sequence), 'done')
    await bob.close()
    const again = await fakeClient(t, server, { store })
    t.equal(await outcome(again.send(talk.id, 'after a restart')), 'done')
    t.notOk(heard.heard.some(({ type }) => type === 'untrusted'))
  }
)

t.test('A welcome that goes further than the one that the person has overruled counts', async (t) => {
  const { server, bob, talk, mallory, user, listen } = await scene(t, ['mallory'])
  const direct = await puppetTalk(server, 'direct', [[mallory.user], [user]], mallory)
  const heard = await listen()
  for (const [n, sequence] of [
    [1, 900],
    [2, 901]
  ] as const) {
    const content = { type: 'welcome', conversation: talk.id, sequence, head: 'ab'.repeat(32) }
    await direct.say(mallory, content, n)
    await heard.first('message', (event) => event.n === n && event.conversationId === direct.id)
    t.equal(await outcome(bob.send(talk.id, 'to whom?')), 'withheld-chain')
    await bob.conversations.accept(talk.id, talk.conversation.head)
    t.equal(await outcome(bob.send(talk.id, 'as the person says')), 'done')
  }
})

t.test(
  'A safety number is compared with the identity on the screen, and an accepted root is named',
  async (t) => {
    const { server, bob, alice } = await scene(t, ['alice'], { kind: 'direct' })
    const number = await bob.contacts.safetyNumber('alice')
    await hijack(alice.user)
    await bob.contacts.get('alice')
    t.match(await failure(bob.contacts.verify('alice', number)), { code: 'other-safety-number' })
    const announced = alice.user.root
    await hijack(alice.user)
    t.match(await failure(bob.contacts.accept('alice', { root: announced })), { code: 'other-root' })
    t.match(await bob.contacts.get('alice'), { status: 'changed' })
    t.ok(server)
  }
)

t.test('A verified contact stays verified on a restored device, against a false root', async (t) => {
  const server = new FakeServer()
  const bob = await fakeUser(t, server, 'bob')
  const alice = await server.puppet('alice')
  const truth = await alice.user.fork(1)
  await puppetTalk(server, 'direct', [[alice.user], [server.requireUser('bob')]], alice)
  await bob.contacts.verify('alice', await bob.contacts.safetyNumber('alice'))
  const first = await bob.backup.create()
  const { recoveryCode } = await bob.backup.create()
  const recovery = [...server.requireUser('bob').history!.chain.devices.values()].filter(
    ({ purpose }) => purpose === 'recovery'
  )
  t.equal(recovery.length, 1, 'the older backup opens nothing any more')
  t.not(first.recoveryCode, recoveryCode)
  await bob.close()
  const liar = await new FakeServer().puppet('alice')
  server.view = (username) => (username === 'alice' ? liar.user : server.users.get(username))
  const fresh = await fakeClient(t, server)
  await fresh.restore({ username: 'bob', password: PASSWORD, code: recoveryCode! })
  t.equal(await fresh.contacts.get('alice').then(({ status }) => status), 'changed')
  t.not(await outcome(fresh.send({ username: 'alice' }, 'to whom?')), 'done')
  t.notOk(hasWrappedFor(server, liar.device.id))
  t.equal(truth.root, alice.user.root)
})

t.test('A restored device seals for no chain that ends before the one that the backup knew', async (t) => {
  for (const what of ['user', 'group'] as const) {
    const { server, bob, talk, alice, carol } = await scene(t, ['alice', 'carol'])
    await bob.send(talk.id, 'hello')
    const dora = await server.puppet('dora')
    const lost = dora.device
    const phone = await dora.add()
    const shown = { user: await dora.user.fork(2), group: await talk.conversation.fork(1, server.users) }
    await dora.revoke(lost.id, phone)
    await talk.change([{ kind: 'conversation-remove', username: 'carol' }], alice.device)
    await bob.contacts.get('dora')
    await bob.conversations.get(talk.id)
    const { recoveryCode } = await bob.backup.create()
    await bob.close()

    if (what === 'group') server.conversations.set(talk.id, shown.group)
    else server.view = (username) => (username === 'dora' ? shown.user : server.users.get(username))
    server.seen.length = 0
    const restored = await fakeClient(t, server)
    await restored.restore({ username: 'bob', password: PASSWORD, code: recoveryCode! })
    const to = what === 'group' ? talk.id : { username: 'dora' }
    t.equal(await outcome(restored.send(to, 'to whom?')), 'withheld-chain', what)
    for (const { id } of [lost, carol.device]) t.notOk(hasWrappedFor(server, id))
  }
})

t.test('A user’s chain of more statements than any may have is refused', async (t) => {
  const { server, bob } = await scene(t, ['alice'])
  const mallory = await server.puppet('mallory')
  const { items, ...rest } = mallory.user.page(0)
  const long = { ...rest, items: Array.from({ length: 1001 }, () => items[0]!) }
  server.lies.push(({ path }) => (path === '/v1/users/chains' ? { items: [long], next: null } : undefined))
  t.match(await failure(bob.users.get('mallory')), { kind: 'untrusted', code: 'too-long-chain' })
})

t.test(
  'Messages that wait for a key are asked for once each, whatever places the server shows',
  async (t) => {
    const { server, bob, talk, alice, user, listen } = await scene(t, ['alice'])
    const heard = await listen()
    const own = bob.account!.deviceId
    const wrap = talk.conversation.key.wraps.get(own)!
    talk.conversation.key.wraps.delete(own)
    const far = 2 ** 47
    await talk.say(alice, 'one', 1)
    await heard.first('unreadable')
    await talk.say(alice, 'far', 2, { position: far })
    await heard.first('unreadable', ({ position }) => position === far)
    talk.conversation.key.wraps.set(own, wrap)
    talk.conversation.messages = talk.conversation.messages.slice(0, 1)
    server.seen.length = 0
    const data = { conversationId: talk.id, sessionKeyId: talk.key.secret.id, deviceIds: [own] }
    server.log.append(['bob'], 'session-key.shared', data, far + 1)
    await heard.message('one')
    await talk.say(alice, 'end', 3, { position: far + 2 })
    await heard.message('end')
    const asked = server.seen.filter(({ path }) => path.endsWith('/messages'))
    t.ok(asked.filter(({ query }) => query.has('after')).length <= 2)
    t.ok(
      asked.filter(({ query }) => !query.has('after')).length <= 1,
      'and the time before the stream once: "far" is gone'
    )
    t.ok(user)
  }
)

t.test('The words of a device fall with it, as soon as the chain says that it was revoked', async (t) => {
  const server = new FakeServer()
  const laptop = await fakeUser(t, server, 'bob')
  const tablet = await linkedDevice(t, server, laptop)
  const phone = await linkedDevice(t, server, laptop)
  const [alice, carol] = [await server.puppet('alice'), await server.puppet('carol')]
  for (const chat of [tablet, phone]) await chat.contacts.goOnAlone()
  await tablet.contacts.get('carol')
  const heard = new Listener(t, tablet)
  await heard.first('connected')
  for (const name of ['alice', 'carol'])
    await phone.contacts.verify(name, await phone.contacts.safetyNumber(name))
  await eventually(async () => (await tablet.contacts.get('carol')).status === 'verified')
  await hijack(alice.user)
  t.match(await tablet.contacts.get('alice'), { status: 'changed', wasVerified: true })

  await laptop.devices.revoke(phone.account!.deviceId)
  await tablet.contacts.safetyNumber('carol')
  t.match(await tablet.contacts.get('carol'), { status: 'unverified', root: carol.user.root })
  t.match(await tablet.contacts.get('alice'), { status: 'changed', wasVerified: false })
  t.equal(await outcome(tablet.send({ username: 'alice' }, 'to whom?')), 'identity-changed')
})

t.test('Own devices that each know another chain go on once the person has taken one on both', async (t) => {
  let now = Date.now()
  const clock = { now: () => now }
  const { server, bob, talk, alice, listen } = await scene(t, ['alice'], clock)
  const phone = await linkedDevice(t, server, bob, clock)
  for (const chat of [bob, phone]) {
    await talk.change([], alice.device)
    await chat.send(talk.id, 'hello')
  }
  const phones = new Listener(t, phone)
  await phones.first('connected')
  const heard = await listen()
  await bob.flush()
  await phone.flush()
  // The server is restored from a backup, and the chain goes another way. It is shorter now.
  const whole = talk.conversation
  talk.conversation = await whole.fork(1, server.users)
  server.conversations.set(talk.id, talk.conversation)
  await talk.change([], alice.device)
  const { head } = talk.conversation
  for (const chat of [bob, phone]) t.equal(await outcome(chat.send(talk.id, 'to whom?')), 'forked-chain')
  const isFork = ({ error }: { error: ChatError }) => error.code === 'forked-chain'
  /** The phone says again where its chains end. */
  const tell = async () => {
    for (let times = 1; times <= 2; times++) {
      now += 2 * 3_600_000
      await outcome(phone.flush())
    }
    await heard.first(
      'message',
      ({ content, sentAt }) => content.type === 'trust' && Date.parse(sentAt) >= now
    )
  }

  await bob.conversations.accept(talk.id, head)
  t.equal(await outcome(bob.send(talk.id, 'I have taken it')), 'done')
  await phones.first('untrusted', isFork)
  await tell()
  t.not(await outcome(bob.send(talk.id, 'do we agree?')), 'done', 'the phone has not')
  await phone.conversations.accept(talk.id, talk.conversation.head)
  t.equal(await outcome(phone.send(talk.id, 'we do')), 'done')
  await heard.message('we do')
  t.equal(await outcome(bob.send(talk.id, 'so do I')), 'done')
})

t.test(
  'Two heads at one place of a chain stop the sealing, until the device that lies has gone',
  async (t) => {
    const { server, bob, talk, alice, user, listen } = await scene(t, ['alice'])
    const heard = await listen()
    /** A device of Bob's that says whatever the test says. */
    const ownDevice = async (): Promise<PuppetDevice> => {
      const device = await puppetDevice()
      user.waiting.set(device.id, await request(user, device))
      const number = await bob.devices.linkNumber(device.id)
      await bob.devices.approve(device.id, { number })
      return device
    }
    const [phone, tablet] = [await ownDevice(), await ownDevice()]
    let n = 0
    const tell = async (device: PuppetDevice, about: object): Promise<void> => {
      const conversation = [...server.conversations.values()].find(({ chain }) => chain.kind === 'self')!
      const secret = (await openKey(conversation.key, device))!
      const self = new PuppetTalk(server, conversation, { ...talk.key, hash: conversation.key.hash, secret })
      await self.say({ user, device }, { type: 'trust', users: {}, conversations: {}, ...about }, ++n)
      await heard.first('message', (one) => one.content.type === 'trust' && one.n === n)
      await talk.say(alice, `heard ${n}`, n)
      await heard.message(`heard ${n}`)
    }
    const { sequence, head } = talk.conversation.chain
    const other = { sequence, head: 'ab'.repeat(32) }
    await tell(phone, { conversations: { [talk.id]: { sequence, head } } })
    t.equal(await outcome(bob.send(talk.id, 'both know the same')), 'done')
    await tell(tablet, { conversations: { [talk.id]: other } })
    t.equal(await outcome(bob.send(talk.id, 'to whom?')), 'forked-chain')
    await bob.devices.revoke(tablet.id)
    t.equal(await outcome(bob.send(talk.id, 'the word of the tablet has fallen')), 'done')

    const { root } = alice.user
    const about = { ...other, sequence: 1, root, since: 1, decided: false, verified: false }
    await tell(phone, { users: { alice: about } })
    t.equal(await outcome(bob.send(talk.id, 'to which alice?')), 'forked-chain')
  }
)

t.test(
  'A new device that hears nothing of its user takes no new identity of a contact unasked',
  async (t) => {
    const { server, bob, talk, alice, listen } = await scene(t, ['alice'], { kind: 'direct' })
    const heard = await listen()
    await talk.say(alice, 'hello', 1)
    await heard.message('hello')
    await bob.contacts.verify('alice', await bob.contacts.safetyNumber('alice'))
    await bob.send(talk.id, 'hello, alice')
    const { deviceId: first } = bob.account!
    const isNew = (deviceId: string | null) => deviceId !== null && deviceId !== first
    server.lies.push(async ({ path, method, deviceId, honest }) => {
      if (method !== 'GET' || path !== '/v1/conversations' || !isNew(deviceId)) return undefined
      const page = (await (await honest()).json()) as { items: { kind: string }[] }
      return { ...page, items: page.items.filter(({ kind }) => kind !== 'self') }
    })
    const phone = await linkedDevice(t, server, bob)
    const evil = await hijack(alice.user)
    t.equal(await outcome(phone.send(talk.id, 'a secret')), 'identity-changed')
    t.equal(await outcome(phone.conversations.createGroup('two', ['alice'])), 'identity-changed')
    t.match(await phone.contacts.get('alice'), { status: 'changed' })
    await phone.contacts.goOnAlone()
    t.equal(await outcome(phone.send(talk.id, 'a secret')), 'identity-changed')
    t.notOk(hasWrappedFor(server, evil.id))
    await phone.contacts.accept('alice', { root: evil.signing.fingerprint })
    t.equal(await outcome(phone.send(talk.id, 'as the person says')), 'done')
  }
)

t.test('A device that went on alone takes nobody unasked who had reset before it met them', async (t) => {
  const { server, bob, alice } = await scene(t, ['alice'])
  const phone = await linkedDevice(t, server, bob)
  await phone.contacts.goOnAlone()
  const evil = await hijack(alice.user)
  t.equal(await outcome(phone.conversations.createGroup('two', ['alice'])), 'identity-changed')
  t.notOk(hasWrappedFor(server, evil.id))
  await server.puppet('carol')
  t.equal(await outcome(phone.conversations.createGroup('two', ['carol'])), 'done', 'others are met as ever')
})

for (const isHonest of [true, false])
  t.test(
    `A contact verified after the backup ${isHonest ? 'is so on a restored device' : 'is not given to the server'}`,
    async (t) => {
      const server = new FakeServer()
      const bob = await fakeUser(t, server, 'bob')
      const alice = await server.puppet('alice')
      const { recoveryCode } = await bob.backup.create()
      const talk = await puppetTalk(server, 'direct', [[alice.user], [server.requireUser('bob')]], alice)
      await bob.contacts.verify('alice', await bob.contacts.safetyNumber('alice'))
      await bob.flush()
      await bob.send(talk.id, 'hello')
      await bob.close()
      const evil = isHonest ? null : await hijack(alice.user)
      const restored = await fakeClient(t, server)
      await restored.restore({ username: 'bob', password: PASSWORD, code: recoveryCode! })
      const heard = new Listener(t, restored)
      await heard.first('connected')
      await restored.flush()
      const contact = await restored.contacts.get('alice')
      t.match(contact, isHonest ? { status: 'verified' } : { status: 'changed', wasVerified: true })
      const expected = isHonest ? 'done' : 'identity-changed'
      t.equal(await outcome(restored.send(talk.id, 'a secret')), expected)
      t.notOk(evil !== null && hasWrappedFor(server, evil.id))
    }
  )

t.test(
  'The other side of a direct conversation that has reset is accepted before the first answer',
  async (t) => {
    const { server, bob, talk, alice } = await scene(t, ['alice'], { kind: 'direct' })
    await alice.reset()
    t.equal(await outcome(bob.send(talk.id, 'to whom?')), 'identity-changed')
    await bob.contacts.accept('alice', { root: server.requireUser('alice').root })
    t.equal(await outcome(bob.send(talk.id, 'to her')), 'done')
  }
)
