import { randomUUID } from 'node:crypto'
import t from 'tap'
import { startTarget } from '../../../support/bad-input.js'
import { expect, type SessionKeyItem } from '../../../support/interop/http.js'
import type { InteropClient } from '../../../support/interop/client.js'

const target = await startTarget(t)
const alice = await target.user('alice')
const bob = await target.user('bob')
const { id } = await alice.createConversation('group', ['bob'])
const keys = () => `/v1/conversations/${id}/session-keys`
const held = alice.sessionKeys.get(alice.currentKey.get(id)!)!

/** A device of Bob's that joins after the session key was made. */
async function laterDevice(): Promise<InteropClient> {
  const device = await target.device('bob', { password: bob.password })
  expect(await device.login(false), 200)
  expect(await device.addDevice(bob.keys), 201)
  return device
}

const covered = ({ deviceId, keys: { signingFp, encryptionKey } }: InteropClient) => ({
  deviceId,
  signingKey: signingFp,
  encryptionKey
})

t.test(
  'A device that gets a wrap of an older key later is notified of that key, and reads older messages',
  async (t) => {
    const phone = await laterDevice()
    const [onPhone, onLaptop, maker] = [await phone.live(), await bob.live(), await alice.live()]
    t.strictSame((await phone.raw<{ items: unknown[] }>('GET', keys())).body.items, [])

    expect(await alice.shareKey(held, [covered(phone)]), 201)
    for (const stream of [onPhone, onLaptop]) {
      const { data } = await stream.waitFor(({ event }) => event === 'session-key.created')
      t.match(data, { conversationId: id, sessionKeyId: held.id, statement: held.statement })
    }
    const { sessionKey } = expect(
      await phone.raw<{ sessionKey: SessionKeyItem }>('GET', `${keys()}/${held.id}`),
      200
    ).body
    t.match(sessionKey, { id: held.id, statement: held.statement })
    t.notOk(
      sessionKey.roster.some(({ signingKey }) => signingKey === phone.keys.signingFp),
      'the roster stays as it was signed'
    )
    const sent = await alice.createConversation('group', [])
    await maker.waitFor(({ data }) => data['conversationId'] === sent.id)
    t.notOk(
      maker.received.some(({ data }) => data['sessionKeyId'] === held.id),
      'others are not troubled'
    )
  }
)

t.test('A session key read by its id is the same as in the list', async (t) => {
  expect(await alice.newKey(id), 201)
  const { items } = (await alice.raw<{ items: SessionKeyItem[] }>('GET', keys())).body
  t.equal(items.length, 2)
  for (const item of items) {
    const answer = expect(await alice.raw('GET', `${keys()}/${item.id}`), 200)
    t.strictSame(answer.body, { sessionKey: item })
  }
})

t.test('A session key exists only for the devices that hold it', async (t) => {
  const tablet = await laterDevice()
  const stranger = await target.user('carol')
  const elsewhere = await alice.createConversation('group', [])
  const bare = await target.device('alice', { password: alice.password })
  expect(await bare.login(false), 200)
  const path = `${keys()}/${held.id}`
  await target.refuses(t, [
    ['a device without a wrap', '404 session-key-not-found', () => tablet.raw('GET', path)],
    ['no such key', '404 session-key-not-found', () => alice.raw('GET', `${keys()}/${randomUUID()}`)],
    [
      'the key of another conversation',
      '404 session-key-not-found',
      () => alice.raw('GET', `/v1/conversations/${elsewhere.id}/session-keys/${held.id}`)
    ],
    ['somebody else', '404 conversation-not-found', () => stranger.raw('GET', path)],
    ['a session without a device', '403 device-required', () => bare.raw('GET', path)],
    ['an id that is none', '400 invalid-request', () => alice.raw('GET', `${keys()}/x`)]
  ])
})

t.test('A removed member reads the session keys of its time by their ids, and no later one', async (t) => {
  const dora = await target.user('dora')
  const { id: group } = await alice.createConversation('group', ['dora'])
  const list = `/v1/conversations/${group}/session-keys`
  const of = (keyId: string) => `${list}/${keyId}`
  const [then] = (await dora.raw<{ items: SessionKeyItem[] }>('GET', list)).body.items
  expect(await alice.removeMember(group, 'dora'), 201)
  expect(await alice.newKey(group), 201)
  t.strictSame(expect(await dora.raw('GET', of(then!.id)), 200).body, { sessionKey: then })
  await target.refuses(t, [
    ['a later one', '404 conversation-not-found', () => dora.raw('GET', of(alice.currentKey.get(group)!))],
    ['all of them', '404 conversation-not-found', () => dora.raw('GET', list)]
  ])
})
