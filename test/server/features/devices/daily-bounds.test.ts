import { sql } from 'drizzle-orm'
import t from 'tap'
import { cheapKeys, startTarget } from '../../../support/bad-input.js'
import type { InteropClient } from '../../../support/interop/client.js'
import { expect, problem, type Answer } from '../../../support/interop/http.js'
import { SignedChain } from '../../../support/signed-chain.js'

const target = await startTarget(t, { RATE_LIMIT: 'on', RATE_LIMIT_AUTH: '1000' })
const { db } = target.services
const bob = await target.user('bob')

/** Let time go by for the statements that are stored. */
const later = (hours: number) =>
  db.execute(sql`update user_statements set created_at = created_at - ${hours} * interval '1 hour'`)

const refused = '409 too-many-statements'

async function newDevice(of: InteropClient): Promise<InteropClient> {
  const device = await target.device(of.username, { password: of.password })
  expect(await device.login(false), 200)
  return device
}
const rekey = (of: InteropClient) => of.rekey(cheapKeys({ signing: of.keys.signingPrivate }))

/** The moment at which a refusal lifts, in hours from now, if the answer says so in all its places. */
function hoursLeft(answer: Answer<unknown>): number {
  const { until, detail } = answer.body as { until: string; detail: string }
  const seconds = (Date.parse(until) - Date.now()) / 1000
  const retryAfter = Number(answer.headers['retry-after'])
  if (Math.abs(retryAfter - seconds) > 5 || !detail.includes(until)) return NaN
  return Math.round(seconds / 3600)
}

t.test('A chain takes ten new devices within 24 hours, and revocations always', async (t) => {
  const alice = await target.user('alice')
  // The first device counts.
  for (let n = 1; n < 10; n++) {
    const device = await newDevice(alice)
    expect(await device.addDevice(alice.keys), 201)
    expect(await alice.revoke(device.deviceId), 200)
    if (n === 4) await later(5)
  }
  const [approved, waiting] = [await newDevice(alice), await newDevice(alice)]
  await target.refuses(t, [
    ['the eleventh', refused, () => approved.addDevice(alice.keys), /takes 10 `device-add` within 24 hours/],
    ['asking for approval of it', refused, () => waiting.addDevice()]
  ])
  t.equal(hoursLeft(await approved.addDevice(alice.keys)), 19, 'until the first is a day old')
  await later(18)
  t.equal(hoursLeft(await approved.addDevice(alice.keys)), 1)
  await later(1)
  expect(await approved.addDevice(alice.keys), 201)
})

t.test('An approval counts like a device that is added at once', async (t) => {
  const carol = await target.user('carol')
  const waiting = await newDevice(carol)
  expect(await waiting.addDevice(), 202)
  const chain = new SignedChain(carol)
  for (let n = 1; n < 10; n++) chain.revoke(chain.add())
  expect(await chain.post(bob, 1), 201)
  chain.add({ id: waiting.deviceId, keys: waiting.keys })
  const approve = () =>
    carol.raw('POST', `/v1/devices/${waiting.deviceId}/approval`, {
      body: { statement: chain.statements.at(-1) }
    })
  await target.refuses(t, [['the approval', refused, approve]])
  await later(24)
  expect(await approve(), 200)
})

t.test('Each device is rekeyed twice within 24 hours', async (t) => {
  const dave = await target.user('dave')
  const phone = await newDevice(dave)
  expect(await phone.addDevice(dave.keys), 201)
  for (const device of [dave, phone]) {
    expect(await rekey(device), 200)
    expect(await rekey(device), 200)
    t.equal(problem(await rekey(device)), 'too-many-statements')
  }
  await target.refuses(t, [['a third time', refused, () => rekey(dave), /A device takes 2 `device-rekey`/]])
  await later(24)
  expect(await rekey(dave), 200)
})

t.test('A chain is reset three times within 24 hours', async (t) => {
  const erin = await target.user('erin')
  for (let n = 0; n < 3; n++) expect(await (await newDevice(erin)).reset(), 201)
  const fourth = await newDevice(erin)
  await target.refuses(t, [['a fourth time', refused, () => fourth.reset(), /takes 3 `device-reset`/]])
  await later(24)
  expect(await fourth.reset(), 201)
})

t.test('Statements that come back to the server are counted, those of one request too', async (t) => {
  const frank = await target.user('frank')
  const chain = new SignedChain(frank)
  for (let n = 0; n < 10; n++) chain.revoke(chain.add())
  const all = { statements: chain.after(1), keys: chain.keysAfter(1) }
  await target.refuses(t, [['eleven devices', refused, () => chain.post(bob, 1, all)]])
  expect(await chain.post(bob, 1, { ...all, statements: chain.statements.slice(1, 19) }), 201)
  await target.refuses(t, [['one more', refused, () => chain.post(bob, 19)]])
  await later(24)
  expect(await chain.post(bob, 1, all), 201)
})

t.test('The bounds of a day are settings, and RATE_LIMIT=off takes them away', async (t) => {
  const strict = await startTarget(t, {
    RATE_LIMIT: 'on',
    DEVICE_ADDS_PER_DAY: '2',
    DEVICE_REKEYS_PER_DAY: '1',
    DEVICE_RESETS_PER_DAY: '1'
  })
  const grace = await strict.user('grace')
  const add = async (of: InteropClient, by = grace) => {
    const device = await strict.device(of.username, { password: of.password })
    expect(await device.login(false), 200)
    return device.addDevice(by.keys)
  }
  expect(await add(grace), 201)
  t.equal(problem(await add(grace)), 'too-many-statements')
  expect(await rekey(grace), 200)
  t.equal(problem(await rekey(grace)), 'too-many-statements')

  const free = await startTarget(t, { RATE_LIMIT: 'off', DEVICE_REKEYS_PER_DAY: '1' })
  const heidi = await free.user('heidi')
  for (let n = 0; n < 3; n++) expect(await rekey(heidi), 200)
})
