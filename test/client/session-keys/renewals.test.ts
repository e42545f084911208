import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import { failure, Listener, texts } from '../../support/chat-clients.js'
import { eventually } from '../../support/eventually.js'
import { noAnswer, problem } from '../../support/fake-answers.js'
import { fakeUser, linkedDevice } from '../../support/fake-clients.js'
import { FakeServer, type Lie } from '../../support/fake-server.js'

const MINUTE_MS = 60_000

/** The server takes no more at a path for a minute. */
function usedUp(path: string): Lie {
  return (request) => {
    if (request.method !== 'POST' || request.path !== path) return undefined
    const refusal = problem('too-many-requests')
    refusal.headers.set('retry-after', '60')
    return refusal
  }
}

/** Alice has three devices and two groups. One device revokes another, and can make no new key. */
async function scene(t: Test) {
  let now = Date.parse('2026-01-01T00:00:00Z')
  const clock = { now: () => now }
  const server = new FakeServer()
  const laptop = await fakeUser(t, server, 'alice', clock)
  const bob = await fakeUser(t, server, 'bob', clock)
  const store = new MemoryStore()
  const phone = await linkedDevice(t, server, laptop, { ...clock, store })
  const tablet = await linkedDevice(t, server, laptop, clock)
  const groups = [
    await laptop.conversations.createGroup('one', ['bob']),
    await laptop.conversations.createGroup('two', ['bob'])
  ].map(({ id }) => server.conversations.get(id)!)
  const heard = new Listener(t, phone)
  await heard.first('connected')
  const lacking = tablet.account!.deviceId
  const isKey: Lie = ({ path, method }) => (method === 'POST' && path.endsWith('/session-keys')) || undefined
  const fails: Lie = (request) => (isKey(request) === true ? noAnswer() : undefined)
  server.lies.push(fails)
  await laptop.devices.revoke(lacking)
  await laptop.close()
  server.lies.length = 0
  await heard.first('device-changed', ({ change }) => change === 'revoked')
  await eventually(async () => (await store.get('renewal')) !== undefined)
  const requests = () => server.seen.filter((request) => isKey(request) === true).length
  server.seen.length = 0
  /** Time goes by, and the stream gives signs of life. */
  const pass = async (minutes: number) => {
    now += minutes * MINUTE_MS
    server.log.keepAlive('alice')
    await texts(phone, groups[0]!.id)
  }
  const isRenewed = (at: number) => !groups[at]!.key.wraps.has(lacking)
  return { server, phone, bob, groups, pass, isRenewed, requests }
}

t.test('A device whose stream stays up makes the keys that the one which revoked has not made', async (t) => {
  const { phone, bob, groups, pass, isRenewed, requests } = await scene(t)
  await pass(9)
  t.equal(requests(), 0)
  t.notOk(isRenewed(0))
  await pass(1)
  await eventually(() => isRenewed(0) && isRenewed(1))
  t.equal(requests(), 2, 'one key for each group')
  await pass(60)
  t.equal(requests(), 2, 'and that is all')
  await bob.send(groups[0]!.id, 'without the tablet')
  t.strictSame((await texts(phone, groups[0]!.id)).at(-1), 'without the tablet')
})

t.test('A conversation whose budget is used up keeps no other one back, and has its key later', async (t) => {
  const { server, groups, pass, isRenewed, requests } = await scene(t)
  server.lies.push(usedUp(`/v1/conversations/${groups[0]!.id}/session-keys`))
  await pass(10)
  await eventually(() => isRenewed(1))
  t.notOk(isRenewed(0))
  await eventually(() => requests() === 2)
  await pass(0.5)
  t.equal(requests(), 2, 'it is left in peace for a minute')
  server.lies.length = 0
  await pass(1)
  await eventually(() => isRenewed(0))
})

t.test('Messages for a conversation whose budget is used up keep back none for another', async (t) => {
  const { server, bob, groups } = await scene(t)
  server.lies.push(({ method, path }) =>
    method === 'POST' && path.endsWith('/messages') ? noAnswer() : undefined
  )
  for (const { id } of groups) await failure(bob.send(id, 'queued'))
  server.lies.length = 0
  const [first] = groups.map(({ id }) => id).sort()
  server.lies.push(usedUp(`/v1/conversations/${first}/messages`))
  t.match(await failure(bob.flush()), { code: 'too-many-requests' })
  for (const { id, messages } of groups)
    t.equal(
      messages.some(({ sender }) => sender.username === 'bob'),
      id !== first
    )
})

t.test('Revocations that wait for the budget of a conversation are followed by one key', async (t) => {
  let now = Date.parse('2026-01-01T00:00:00Z')
  const server = new FakeServer()
  const laptop = await fakeUser(t, server, 'alice', { now: () => now })
  const lost = [await linkedDevice(t, server, laptop), await linkedDevice(t, server, laptop)]
  await fakeUser(t, server, 'bob')
  const { id } = await laptop.conversations.createGroup('group', ['bob'])
  const { keys } = server.conversations.get(id)!
  server.lies.push(usedUp(`/v1/conversations/${id}/session-keys`))
  for (const { account } of lost) await laptop.devices.revoke(account!.deviceId)
  t.equal(keys.length, 1)
  server.lies.length = 0
  now += MINUTE_MS
  await laptop.flush()
  t.equal(keys.length, 2)
  t.equal(keys[1]!.wraps.size, 2, 'for the devices that are left')
})

t.test('No new key is made before the revocation that it is for stands in the chain', async (t) => {
  const server = new FakeServer()
  const laptop = await fakeUser(t, server, 'alice')
  const phone = await linkedDevice(t, server, laptop)
  const { deviceId } = phone.account!
  await fakeUser(t, server, 'bob')
  const { id } = await laptop.conversations.createGroup('group', ['bob'])
  const heard = new Listener(t, laptop)
  await heard.first('connected')
  server.lies.push(async ({ path }) => {
    if (!path.endsWith('/revocation')) return undefined
    // The revocation is under way, and the stream gives a sign of life.
    server.log.keepAlive('alice')
    await sleep(200)
    return noAnswer()
  })
  t.match(await failure(laptop.devices.revoke(deviceId)), { code: 'overloaded' })
  server.lies.length = 0
  await laptop.flush()
  const conversation = server.conversations.get(id)!
  t.equal(conversation.keys.length, 2)
  t.notOk(conversation.key.wraps.has(deviceId))
})
