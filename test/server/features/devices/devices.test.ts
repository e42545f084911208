import { randomUUID } from 'node:crypto'
import t from 'tap'
import { cheapKeys, startTarget } from '../../../support/bad-input.js'
import { cheapKem } from '../../../support/cheap-keys.js'
import { cosigned, type Statement } from '../../../support/interop/chains.js'
import { expect, problem, type Page, type UserAnswer } from '../../../support/interop/http.js'
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
    t.match((await sixth.addDevice()).body, {
      type: '/problems/too-many-devices',
      detail: /5 devices wait.* Reject one .* after 7 days/
    })

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

t.test(
  'A statement that is in the chain is answered with its device, whatever else the request says',
  async (t) => {
    const erin = await target.user('erin')
    const phone = await newDevice(erin)
    const live = await erin.live()
    expect(await phone.addDevice(), 202)
    const { data } = await live.waitFor(({ event }) => event === 'device.requested')
    const approval = { statement: cosigned(data['statement'] as Statement, erin.keys) }
    expect(await erin.raw('POST', `/v1/devices/${phone.deviceId}/approval`, { body: approval }), 200)
    const renewed = cheapKeys({ signing: phone.keys.signingPrivate })
    expect(await phone.rekey(renewed), 200)
    expect(await erin.revoke(phone.deviceId), 200)
    const { chain } = expect(await erin.raw<UserAnswer>('GET', '/v1/users/erin'), 200).body
    const [, added, rekeyed, revoked] = chain.items
    const other = randomUUID()
    const retries: [string, string, string, object][] = [
      [
        'the device',
        'POST',
        '/v1/devices',
        { id: other, name: 'x', signingKey: 'x', encryptionKey: 'x', statement: added }
      ],
      ['the approval', 'POST', `/v1/devices/${other}/approval`, { statement: added }],
      ['the rekey', 'PUT', `/v1/devices/${other}/encryption-key`, { encryptionKey: 'x', statement: rekeyed }],
      ['the revocation', 'POST', `/v1/devices/${other}/revocation`, { statement: revoked }]
    ]
    for (const [name, method, path, body] of retries) {
      const { device } = expect(
        await erin.raw<{ device: { id: string; status: string } }>(method, path, { body }),
        200
      ).body
      t.strictSame([device.id, device.status], [phone.deviceId, 'revoked'], name)
    }
    t.equal((await erin.user('erin')).sequence, 4, 'and nothing was added')
  }
)

t.test('A list of devices has pages: active and pending ones first, then revoked ones', async (t) => {
  const frank = await target.user('frank')
  const revoked: string[] = []
  for (let n = 0; n < 3; n++) {
    const device = await newDevice(frank)
    expect(await device.addDevice(frank.keys), 201)
    expect(await frank.revoke(device.deviceId), 200)
    revoked.push(device.deviceId)
  }
  const waiting = await pendingDevice(frank)
  const expected = [frank.deviceId, waiting.deviceId, ...revoked]
  const found: string[] = []
  let query = '?limit=2'
  for (let pages = 0; pages < 3; pages++) {
    const { items, next } = expect(
      await frank.raw<Page<{ id: string }>>('GET', `/v1/devices${query}`),
      200
    ).body
    found.push(...items.map(({ id }) => id))
    t.equal(next === null, pages === 2)
    query = `?limit=2&cursor=${next}`
  }
  t.strictSame(found, expected)
  const stranger = await target.user('stranger')
  const other = await stranger.raw<Page<unknown>>('GET', `/v1/devices?cursor=${frank.deviceId}`)
  t.strictSame(other.body.items, [], 'a device of another user is no place in the list')
  await target.refuses(t, [
    ['a cursor that is no id', '400 invalid-cursor', () => frank.raw('GET', '/v1/devices?cursor=1')]
  ])
})

t.test('A recovery device logs in, and signs in the chain of its user', async (t) => {
  const grace = await target.user('grace')
  const keys = cheapKeys({ kemKey: cheapKem() })
  const backup = await target.device('grace', { password: grace.password, purpose: 'recovery', keys })
  expect(await backup.login(false), 200)
  expect(await backup.addDevice(grace.keys), 201)
  expect(await backup.login(), 200)
  const laptop = await newDevice(grace)
  expect(await laptop.addDevice(backup.keys), 201)
  expect(await backup.revoke(grace.deviceId), 200)
  t.strictSame(
    (await devicesOf(laptop)).sort(),
    [laptop, backup, grace].map(({ deviceId }) => deviceId).sort()
  )
})
