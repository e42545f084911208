import { randomUUID } from 'node:crypto'
import t from 'tap'
import { startTarget } from '../../../support/bad-input.js'
import { expect, problem, type Page } from '../../../support/interop/http.js'
import type { InteropClient } from '../../../support/interop/client.js'

const target = await startTarget(t)

/** A new device of the user, with a session and not yet added. */
async function newDevice(of: InteropClient): Promise<InteropClient> {
  const device = await target.device(of.username, { password: of.password })
  expect(await device.login(false), 200)
  return device
}

async function pendingDevice(of: InteropClient): Promise<InteropClient> {
  const device = await newDevice(of)
  expect(await device.addDevice(), 202)
  return device
}

const reject = (of: InteropClient, id: string) => of.raw('DELETE', `/v1/devices/${id}`)
const devicesOf = async (of: InteropClient) =>
  expect(await of.raw<Page<{ id: string }>>('GET', '/v1/devices'), 200).body.items.map(({ id }) => id)

t.test(
  'A pending device that is turned down is forgotten, its session ends, and another may ask',
  async (t) => {
    const alice = await target.user('alice')
    const waiting = [await pendingDevice(alice)]
    while (waiting.length < 5) waiting.push(await pendingDevice(alice))
    const sixth = await newDevice(alice)
    t.equal(problem(await sixth.addDevice()), 'too-many-devices')

    const [unwanted, ...others] = waiting
    expect(await reject(alice, unwanted!.deviceId), 204)
    t.equal(problem(await unwanted!.raw('GET', '/v1/users/me')), 'session-ended')
    t.equal(problem(await unwanted!.refresh()), 'session-ended')
    t.strictSame((await devicesOf(alice)).sort(), [alice, ...others].map(({ deviceId }) => deviceId).sort())
    t.equal((await alice.user('alice')).sequence, 1, 'the chain knows nothing of it')
    expect(await sixth.addDevice(), 202)
    t.equal(problem(await reject(alice, unwanted!.deviceId)), 'device-not-found')
  }
)

t.test('The keys of a device that was turned down are free again', async (t) => {
  const bob = await target.user('bob')
  const unwanted = await pendingDevice(bob)
  expect(await reject(bob, unwanted.deviceId), 204)
  const again = await target.device('bob', { keys: unwanted.keys, password: bob.password })
  expect(await again.login(false), 200)
  expect(await again.addDevice(bob.keys), 201)
  t.strictSame((await devicesOf(bob)).sort(), [bob.deviceId, again.deviceId].sort())
})

t.test('Only an active device turns down others, and only pending ones of its own user', async (t) => {
  const [carol, dave] = [await target.user('carol'), await target.user('dave')]
  const revoked = await newDevice(carol)
  expect(await revoked.addDevice(carol.keys), 201)
  expect(await carol.revoke(revoked.deviceId), 200)
  const pending = await pendingDevice(carol)
  const bare = await newDevice(carol)
  await target.refuses(t, [
    ['itself, while active', '409 device-not-pending', () => reject(carol, carol.deviceId), /statement/],
    ['a revoked one', '409 device-not-pending', () => reject(carol, revoked.deviceId)],
    ['another user’s', '404 device-not-found', () => reject(dave, pending.deviceId)],
    ['another user’s active one', '404 device-not-found', () => reject(dave, carol.deviceId)],
    ['nobody’s', '404 device-not-found', () => reject(carol, randomUUID())],
    ['an id that is none', '400 invalid-request', () => reject(carol, '..%2F..')],
    ['by a session without a device', '403 device-required', () => reject(bare, pending.deviceId)],
    ['by the pending device', '403 device-pending', () => reject(pending, pending.deviceId)]
  ])
})
