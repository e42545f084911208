import t, { type Test } from 'tap'
import type { ChatClient } from '../../../src/client/client.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import { failure, Listener, PASSWORD } from '../../support/chat-clients.js'
import { eventually } from '../../support/eventually.js'
import { fakeClient, fakeUser } from '../../support/fake-clients.js'
import { FakeServer } from '../../support/fake-server.js'
import { FakeUser } from '../../support/fake-user.js'
import { signStatement } from '../../../src/crypto/statements.js'
import { hijack } from '../../support/malicious-server.js'
import { binding, nextPlace, publicKeys, puppetDevice, type PuppetDevice } from '../../support/puppet.js'

interface Scene {
  server: FakeServer
  laptop: ChatClient
  phone: ChatClient
  phoneId: string
  /** The link number that the phone shows. */
  number: string
}

const credentials = { username: 'alice', password: PASSWORD }

/** Alice's phone waits for approval by her laptop. */
async function scene(t: Test, server = new FakeServer()): Promise<Scene> {
  const laptop = await fakeUser(t, server, 'alice')
  const phone = await fakeClient(t, server)
  const result = await phone.login(credentials)
  if (result.status !== 'pending') throw new Error('the phone does not wait')
  return { server, laptop, phone, phoneId: result.deviceId, number: result.linkNumber }
}

/** Requests that write something, but for those of sessions and of the waiting device. */
function posted({ server }: Scene): string[] {
  return server.seen
    .filter(({ method, path }) => method !== 'GET' && !/\/(chains|login|devices|register)$/.test(path))
    .map(({ method, path }) => `${method} ${path}`)
}

t.test('A device is linked when both have shown one number, and its person has confirmed it', async (t) => {
  const { server, laptop, phone, phoneId, number } = await scene(t)
  const listener = new Listener(t, laptop)
  await listener.first('connected')
  t.match(number, /^(\d{5} ){11}\d{5}$/)
  t.equal(await phone.linkNumber(), number)
  t.equal(await laptop.devices.linkNumber(phoneId), number)
  await laptop.devices.approve(phoneId, { number: number.replaceAll(' ', '') })
  t.match(await laptop.devices.list(), [
    { status: 'active' },
    { id: phoneId, status: 'active', purpose: 'chat' }
  ])

  const waiting = phone.waitForApproval()
  server.seen.length = 0
  t.match(await failure(phone.conversations.createGroup('ops', [])), { code: 'device-pending' })
  t.match(await failure(phone.devices.revoke(laptop.account!.deviceId)), { code: 'device-pending' })
  t.match(await failure(phone.contacts.safetyNumber('bob')), { code: 'device-pending' })
  await eventually(() => server.seen.some(({ path }) => path === '/v1/users/chains'))
  t.match(phone.account, { status: 'pending' }, 'approved, but not confirmed')
  t.strictSame(
    server.seen.filter(({ path }) => /conversations|session-keys/.test(path)),
    []
  )

  await phone.confirmLink(number)
  await waiting
  t.match(phone.account, { status: 'active' })
  t.ok((await phone.conversations.createGroup('ops', [])).id)
})

t.test('A waiting device is announced, and turned down', async (t) => {
  const server = new FakeServer()
  const laptop = await fakeUser(t, server, 'alice')
  const listener = new Listener(t, laptop)
  await listener.first('connected')
  const phone = await fakeClient(t, server)
  await phone.login({ ...credentials, deviceName: 'my phone' })
  const { deviceId, name } = await listener.first('device-requested')
  t.equal(name, 'my phone')
  t.match(await laptop.devices.requests(), [{ id: deviceId, status: 'pending' }])
  await laptop.devices.reject(deviceId)
  t.match(await failure(phone.waitForApproval()), { kind: 'refused', code: 'device-not-found' })
  t.match(await failure(laptop.devices.linkNumber(deviceId)), { code: 'device-not-found' })
})

t.test('Another number than the compared one approves nothing', async (t) => {
  const at = await scene(t)
  const { server, laptop, phone, phoneId, number } = at
  t.match(await failure(laptop.devices.approve(phoneId, { number: '1234' })), { code: 'malformed-number' })
  const other = number.replace(/^./, (digit) => String((Number(digit) + 1) % 10))
  t.match(await failure(laptop.devices.approve(phoneId, { number: other })), { code: 'other-number' })
  t.match(await failure(phone.confirmLink(other)), { code: 'other-number' })
  t.strictSame(posted(at), [])
  t.equal(server.requireUser('alice').statements.length, 1)
})

t.test('Keys that the server puts in the place of the waiting device’s give another number', async (t) => {
  const at = await scene(t)
  const { server, laptop, phoneId, number } = at
  const alice = server.requireUser('alice')
  const evil = publicKeys(await puppetDevice())
  for (const name of ['signingKey', 'encryptionKey', 'kemKey'] as const) {
    const waiting = alice.waiting.get(phoneId)!
    alice.waiting.set(phoneId, { ...waiting, [name]: evil[name] })
    t.not(await laptop.devices.linkNumber(phoneId), number, name)
    t.match(await failure(laptop.devices.approve(phoneId, { number })), { code: 'other-number' }, name)
    alice.waiting.set(phoneId, waiting)
  }
  t.strictSame(posted(at), [])
})

t.test('When the chain moves, both devices show another number', async (t) => {
  const { laptop, phone, phoneId, number } = await scene(t)
  const shown: string[] = []
  await phone.confirmLink(number)
  const waiting = phone.waitForApproval({ onNumber: (one) => shown.push(one) })
  await laptop.devices.rekey()
  t.match(await failure(laptop.devices.approve(phoneId, { number })), { code: 'other-number' })
  const second = await laptop.devices.linkNumber(phoneId)
  t.not(second, number)
  await eventually(() => shown.at(-1) === second)
  await laptop.devices.approve(phoneId, { number: second })
  t.match(phone.account, { status: 'pending' }, 'the first number was confirmed, not this one')
  await phone.confirmLink(second)
  await waiting
  t.match(phone.account, { status: 'active' })
})

/** Alice's phone waits for a device of hers that the test plays. */
async function puppetScene(t: Test) {
  const server = new FakeServer()
  const alice = await server.puppet('alice')
  alice.user.password = PASSWORD
  const store = new MemoryStore()
  const phone = await fakeClient(t, server, { store })
  const result = await phone.login(credentials)
  if (result.status !== 'pending') throw new Error('the phone does not wait')
  const { deviceId: phoneId, linkNumber: number } = result
  /** Her device of now adds the phone with the very keys that it has. */
  const approve = async (): Promise<void> => {
    const asked = alice.user.waiting.get(phoneId)!
    const { text, signatures } = asked.statement
    const approval = await signStatement(text, alice.device.signing)
    await alice.user.append({ text, signatures: { ...signatures, ...approval.signatures } }, asked)
  }
  const restarted = async (): Promise<ChatClient> => {
    await phone.close()
    return fakeClient(t, server, { store })
  }
  return { server, alice, phone, phoneId, number, approve, restarted }
}

t.test('A device that was reset away or revoked after its approval is not linked', async (t) => {
  for (const code of ['displaced', 'revoked'])
    for (const isRestarted of [false, true]) {
      const { alice, phone, phoneId, number, approve, restarted } = await puppetScene(t)
      await approve()
      await phone.confirmLink(number)
      await (code === 'revoked' ? alice.revoke(phoneId) : alice.reset())
      const waiting = isRestarted ? await restarted() : phone
      t.match(await failure(waiting.waitForApproval()), { kind: 'untrusted', code })
      t.match(await failure(waiting.linkNumber()), { kind: 'untrusted', code })
      t.match(waiting.account, { status: 'pending', deviceId: phoneId })
      t.match(await failure(waiting.conversations.createGroup('ops', [])), { code: 'device-pending' })
      t.match(await failure(waiting.waitForApproval()), { kind: 'untrusted', code }, 'and so again')

      t.match(
        await failure(waiting.login(credentials)),
        { kind: 'untrusted', code },
        'a log-in does the same'
      )
      const again = await waiting.login({ ...credentials, asNewDevice: true })
      t.equal(again.status, 'pending', 'it asks with other keys')
      t.not(again.deviceId, phoneId)
    }
})

t.test('A number that was compared before a reset links no device after it', async (t) => {
  const { server, alice, phone, phoneId, number, approve, restarted } = await puppetScene(t)
  await phone.confirmLink(number)
  await alice.reset()
  const waiting = await restarted()
  const shown: string[] = []
  const linked = waiting.waitForApproval({ onNumber: (one) => shown.push(one) })
  await eventually(() => alice.user.waiting.get(phoneId)!.statement.text.includes(alice.user.head))
  await approve()
  server.seen.length = 0
  await eventually(() => server.seen.filter(({ path }) => path === '/v1/users/chains').length > 2)
  t.match(waiting.account, { status: 'pending' })
  t.match(await failure(waiting.confirmLink(number)), { code: 'other-number' })
  t.equal(shown.length, 1)
  t.not(shown[0], number)
  await waiting.confirmLink(shown[0]!)
  await linked
  t.match(waiting.account, { status: 'active' }, 'the number of the new identity was compared')
})

t.test('A confirmed number links a device only behind the head that it was made for', async (t) => {
  const server = new FakeServer()
  const laptop = await fakeUser(t, server, 'alice')
  const laptopId = laptop.account!.deviceId
  const user = server.requireUser('alice')
  const before = await user.fork(1)
  server.view = (username, { deviceId }) => (deviceId === laptopId ? before : server.users.get(username))
  const store = new MemoryStore()
  const phone = await fakeClient(t, server, { store })
  // The server resets the user when the number is stored, before the phone has signed its request.
  const update = store.update.bind(store)
  let evil: PuppetDevice | undefined
  store.update = async (work) => {
    const result = await update(work)
    if (evil === undefined && (await store.get('link')) !== undefined) {
      evil = await hijack(user)
      await phone.contacts.get('alice')
    }
    return result
  }
  const asked = await phone.login(credentials)
  if (asked.status !== 'pending') throw new Error('the phone does not wait')
  const { deviceId, linkNumber: number } = asked
  const request = user.waiting.get(deviceId)!
  t.ok(request.statement.text.includes(user.head), 'the phone has signed for the chain of the server')
  before.waiting.set(deviceId, request)
  t.equal(await laptop.devices.linkNumber(deviceId), number, 'the person sees one number')

  const { text, signatures } = request.statement
  const approval = await signStatement(text, evil!.signing)
  await user.append({ text, signatures: { ...signatures, ...approval.signatures } }, request)
  await phone.confirmLink(number)
  const shown: string[] = []
  const stop = new AbortController()
  const onNumber = (one: string): void => void shown.push(one)
  const waiting = phone.waitForApproval({ signal: stop.signal, onNumber }).catch((error: unknown) => error)
  await eventually(() => shown.length > 0 || phone.account?.status === 'active')
  t.match(phone.account, { status: 'pending' })
  t.not(shown[0], number, 'they have to be compared again')
  stop.abort()
  await waiting
})

t.test('A server that says yes and adds no device is found out', async (t) => {
  const at = await scene(t)
  const { server, laptop, phoneId, number } = at
  const { id, ...rest } = server.requireUser('alice').list()[1]!
  server.lies.push(({ path }) => (path.endsWith('/approval') ? { device: { id, ...rest } } : undefined))
  t.match(await failure(laptop.devices.approve(phoneId, { number })), {
    kind: 'untrusted',
    code: 'ignored-statement'
  })
  t.strictSame(posted(at), [`POST /v1/devices/${phoneId}/approval`], 'no key is shared')
})

t.test('A device in a false world shows another number, and nothing it types is sealed', async (t) => {
  const server = new FakeServer()
  const laptop = await fakeUser(t, server, 'alice')
  const laptopId = laptop.account!.deviceId
  await server.puppet('bob')
  // The server plays Alice for her phone, and approves it there.
  const evil = await puppetDevice()
  const falseAlice = new FakeUser('alice')
  await falseAlice.append(await binding('device-add', nextPlace(falseAlice), evil), publicKeys(evil))
  server.view = (username, { deviceId }) =>
    username === 'alice' && deviceId !== laptopId ? falseAlice : server.users.get(username)
  const phone = await fakeClient(t, server)
  const result = await phone.login(credentials)
  t.equal(result.status, 'pending')
  const waiting = falseAlice.waiting.get(result.deviceId)!
  server.requireUser('alice').waiting.set(result.deviceId, waiting)
  const number = await phone.linkNumber()
  t.not(await laptop.devices.linkNumber(result.deviceId), number)
  t.match(await failure(laptop.devices.approve(result.deviceId, { number })), { code: 'other-number' })

  const approved = { ...waiting.statement.signatures }
  const { signatures } = await signStatement(waiting.statement.text, evil.signing)
  await falseAlice.append(
    { text: waiting.statement.text, signatures: { ...approved, ...signatures } },
    waiting
  )
  const stop = new AbortController()
  const wait = phone.waitForApproval({ signal: stop.signal }).catch((error: unknown) => error)
  server.seen.length = 0
  await eventually(() => server.seen.filter(({ path }) => path === '/v1/users/chains').length > 2)
  t.match(phone.account, { status: 'pending' })
  t.match(await failure(phone.send({ username: 'bob' }, 'a secret')), { code: 'device-pending' })
  stop.abort()
  await wait
})
