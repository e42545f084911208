import { randomUUID } from 'node:crypto'
import t from 'tap'
import { cheapKeys, startTarget, type Case } from '../../../support/bad-input.js'
import { cheapKem } from '../../../support/cheap-keys.js'
import { signed, statementText } from '../../../support/interop/chains.js'
import type { InteropClient } from '../../../support/interop/client.js'
import { expect, type Page } from '../../../support/interop/http.js'
import { lastWord } from '../../../support/people.js'
import { SignedChain, type SignedDevice } from '../../../support/signed-chain.js'

const target = await startTarget(t, { MAX_DEVICES: '4' })
const bob = await target.user('bob')

interface OwnDevice {
  id: string
  name: string
  status: string
  encryptionKey: string
  kemKey?: string
}
const devicesOf = async (of: InteropClient) =>
  expect(await of.raw<Page<OwnDevice>>('GET', '/v1/devices'), 200).body.items

/** A client that runs on a device of a chain. */
async function clientOf(chain: SignedChain, { id, keys }: SignedDevice, password: string) {
  const client = await target.device(chain.username, { keys, password })
  ;(client as { deviceId: string }).deviceId = id
  return client
}

t.test('Anybody gives a server the statements of a chain that it has lost', async (t) => {
  const alice = await target.user('alice')
  const chain = new SignedChain(alice)
  const laptop = chain.add({ keys: cheapKeys({ kemKey: cheapKem() }) })
  const tablet = chain.add({ by: laptop })
  chain.rekey(laptop, cheapKeys({ signing: laptop.keys.signingPrivate, kemKey: cheapKem() }))
  chain.revoke(tablet, laptop)
  const backup = chain.add({ purpose: 'recovery' })
  const live = await alice.live()

  const { head } = chain
  t.strictSame(expect(await chain.post(bob, 1), 201).body, { head, sequence: 6 })
  const known = await bob.user('alice')
  t.strictSame(
    [known.head, [...known.active.keys()].sort()],
    [head, [alice.deviceId, laptop.id, backup.id].sort()]
  )
  for (const sequence of [2, 3, 4, 5, 6]) {
    const { data } = await live.waitFor(
      ({ event, data }) => event === 'device.chain' && data['sequence'] === sequence
    )
    t.strictSame(data['statement'], chain.statements[sequence - 1], `event of statement ${sequence}`)
  }

  const shown = new Map((await devicesOf(alice)).map((device) => [device.id, device]))
  t.match(shown.get(laptop.id), { name: 'restored device', status: 'active', kemKey: laptop.keys.kemKey! })
  t.match(shown.get(tablet.id), { name: 'restored device', status: 'revoked' })
  const restored = await clientOf(chain, laptop, alice.password)
  expect(await restored.login(), 200)
  expect(await restored.revoke(backup.id), 200)
  t.equal((await bob.user('alice')).sequence, 7, 'the chain goes on')
})

t.test('Statements that are in the chain already are skipped', async (t) => {
  const carol = await target.user('carol')
  const chain = new SignedChain(carol)
  chain.add()
  chain.add()
  expect(await chain.post(bob, 1), 201)
  const { head } = chain
  const answer = { head, sequence: 3 }
  t.strictSame(expect(await chain.post(bob, 1), 200).body, answer, 'the same again')
  t.strictSame(expect(await chain.post(bob, 0), 200).body, answer, 'and the first statement too')
  t.strictSame(expect(await chain.post(bob, 1, { keys: [] }), 200).body, answer, 'without keys')
  chain.add()
  t.strictSame(expect(await chain.post(bob, 0), 201).body, { head: chain.head, sequence: 4 })
})

t.test('Statements that do not follow the chain change nothing, however many of them do', async (t) => {
  const dave = await target.user('dave')
  const daves = () => new SignedChain(dave)
  const post = async (
    make: (chain: SignedChain) => void,
    change: (body: {
      statements: SignedChain['statements']
      keys: ReturnType<SignedChain['keysAfter']>
    }) => object = () => ({})
  ) => {
    const chain = daves()
    make(chain)
    const body = { statements: chain.after(1), keys: chain.keysAfter(1) }
    return chain.post(bob, 1, { ...body, ...change(body) })
  }
  const added = (chain: SignedChain) => void chain.add()
  const invalid = '400 invalid-request'
  const other = cheapKeys({ kemKey: cheapKem() })
  const fork = daves()
  fork.add()
  await target.refuses(t, [
    [
      'a statement in the place of another one',
      '409 stale-chain',
      () => {
        const chain = daves()
        const text = chain.statements[0]!.text.replace(/^kem-key -$/m, `kem-key ${'0'.repeat(64)}`)
        return chain.post(bob, 0, { statements: [signed(text, dave.keys)], keys: [] })
      },
      { head: daves().head, sequence: 1, statements: daves().statements, next: null }
    ],
    [
      'a gap',
      '409 stale-chain',
      () =>
        post(
          (chain) => {
            added(chain)
            added(chain)
          },
          ({ statements }) => ({ statements: statements.slice(1) })
        )
    ],
    [
      'the wrong order',
      '409 stale-chain',
      () =>
        post(
          (chain) => {
            added(chain)
            added(chain)
          },
          ({ statements }) => ({ statements: statements.toReversed() })
        )
    ],
    [
      'two ends',
      '409 stale-chain',
      () =>
        post(added, ({ statements, keys }) => ({
          statements: [...statements, ...fork.after(1)],
          keys: [...keys, ...fork.keysAfter(1)]
        }))
    ],
    [
      'a last statement that a stranger signs',
      '400 invalid-signature',
      () =>
        post((chain) => {
          const laptop = chain.add()
          chain.revoke(laptop, { ...laptop, keys: bob.keys })
        })
    ],
    [
      'a last statement that a revoked device signs',
      '400 invalid-signature',
      () =>
        post((chain) => {
          const laptop = chain.add()
          chain.revoke(laptop)
          chain.revoke(chain.first, laptop)
        })
    ],
    [
      'a device that is revoked twice',
      '404 device-not-found',
      () =>
        post((chain) => {
          const laptop = chain.add()
          chain.revoke(laptop)
          chain.revoke(laptop)
        })
    ],
    [
      'more devices than a user may have',
      '409 too-many-devices',
      () =>
        post((chain) => {
          for (let n = 0; n < 4; n++) chain.add()
        })
    ],
    [
      'the chain of another user',
      '400 invalid-statement',
      () =>
        bob.raw('POST', '/v1/users/bob/chain', {
          body: { statements: fork.after(1), keys: fork.keysAfter(1) }
        })
    ],
    [
      'a user who does not exist',
      '404 user-not-found',
      async () => new SignedChain(await target.device('nobody')).post(bob, 0)
    ],
    [
      'a statement of a conversation',
      '400 invalid-statement',
      () =>
        post(added, () => ({
          statements: [signed(statementText('conversation-leave', []), dave.keys)]
        }))
    ],
    ['no statements', invalid, () => post(added, () => ({ statements: [] }))],
    [
      '101 statements',
      invalid,
      () =>
        post(added, ({ statements }) => ({ statements: Array.from({ length: 101 }, () => statements[0]!) }))
    ],
    [
      'a request without a token',
      '401 unauthenticated',
      () =>
        bob.raw('POST', '/v1/users/dave/chain', {
          token: null,
          body: { statements: fork.after(1), keys: [] }
        })
    ]
  ])

  type Keys = ReturnType<SignedChain['keysAfter']>
  const withKeys = (change: (keys: Keys[number]) => Keys) => () =>
    post(added, ({ keys }) => ({ keys: change(keys[0]!) }))
  const cases: Case[] = [
    ['no keys', invalid, withKeys(() => []), /lacks the public keys of device .*, which statement 2 names/],
    [
      'keys of another device',
      invalid,
      withKeys((keys) => [{ ...keys, device: randomUUID() }]),
      /lacks the public keys/
    ],
    [
      'no encryption key of an active device',
      invalid,
      withKeys(({ device, signingKey }) => [{ device, signingKey }]),
      /lacks the `encryptionKey` of device/
    ],
    ['keys of one device twice', invalid, withKeys((keys) => [keys, keys]), /two entries/],
    [
      'another signing key',
      '400 invalid-statement',
      withKeys((keys) => [{ ...keys, signingKey: other.signingKey }]),
      /signing-key/
    ],
    [
      'another encryption key',
      '400 invalid-statement',
      withKeys((keys) => [{ ...keys, encryptionKey: other.encryptionKey }]),
      /encryption-key/
    ],
    [
      'a KEM key that is not named',
      '400 invalid-statement',
      withKeys((keys) => [{ ...keys, kemKey: other.kemKey! }]),
      /kem-key/
    ],
    [
      'a key that is none',
      '400 invalid-key',
      withKeys((keys) => [{ ...keys, encryptionKey: keys.signingKey }])
    ],
    [
      'the id of a stranger’s device',
      '409 id-conflict',
      () => post((chain) => void chain.add({ id: bob.deviceId }))
    ],
    [
      'a stranger’s encryption key',
      '409 key-in-use',
      () => post((chain) => void chain.add({ keys: cheapKeys({ encryptionKey: bob.keys.encryptionKey }) }))
    ],
    [
      'one encryption key twice',
      '409 key-in-use',
      () =>
        post((chain) => {
          const laptop = chain.add()
          const before = laptop.keys
          chain.rekey(laptop)
          chain.rekey(laptop, before)
        })
    ]
  ]
  await target.refuses(t, cases)
})

t.test('A revocation that comes back ends the device’s sessions and streams', async (t) => {
  const erin = await target.user('erin')
  const phone = await target.device('erin', { password: erin.password })
  const chain = new SignedChain(erin)
  const { id } = chain.add({ id: phone.deviceId, keys: phone.keys })
  expect(await chain.post(bob, 1), 201)
  expect(await phone.login(), 200)
  const stream = await phone.live()
  chain.revoke(chain.devices.get(id)!)
  expect(await chain.post(bob, 2), 201)
  t.equal(await lastWord(stream), 'revoked')
  t.equal((await phone.raw('GET', '/v1/users/me')).status, 401)
})

t.test('A device that is retired again needs no key but the one that it signs with', async (t) => {
  const frank = await target.user('frank')
  const chain = new SignedChain(frank)
  const stolen = chain.add({ keys: cheapKeys({ kemKey: cheapKem() }) })
  chain.rekey(stolen, cheapKeys({ signing: stolen.keys.signingPrivate, kemKey: cheapKem() }))
  const accomplice = chain.add({ by: stolen })
  chain.revoke(stolen)
  chain.revoke(accomplice)
  const keys = chain.keysAfter(1, [stolen, accomplice])
  expect(await chain.post(bob, 1, { keys }), 201)
  t.equal((await bob.user('frank')).head, chain.head)
  const shown = (await devicesOf(frank)).find(({ id }) => id === accomplice.id)
  t.match(shown, { status: 'revoked', encryptionKey: '' })
  const thief = await target.device('thief', { keys: cheapKeys({ signing: stolen.keys.signingPrivate }) })
  t.match((await thief.register()).body, { type: '/problems/key-in-use' }, 'its keys stay bound')
})

t.test('An approval that comes back lets the waiting device in, under its name', async (t) => {
  const grace = await target.user('grace')
  const tablet = await target.device('grace', { password: grace.password, deviceName: 'tablet' })
  expect(await tablet.login(false), 200)
  expect(await tablet.addDevice(), 202)
  const chain = new SignedChain(grace)
  chain.add({ id: tablet.deviceId, keys: tablet.keys })
  expect(await chain.post(bob, 1), 201)
  t.strictSame(
    (await devicesOf(tablet)).map(({ name, status }) => `${name} ${status}`),
    ['test device active', 'tablet active']
  )

  const waiting = await target.device('grace', { password: grace.password })
  expect(await waiting.login(false), 200)
  expect(await waiting.addDevice(), 202)
  const other = chain.add({ id: waiting.deviceId })
  await target.refuses(t, [
    ['its id with other keys', '409 id-conflict', () => chain.post(bob, 2), new RegExp(other.id)]
  ])
})

t.test('A reset comes back by the password of its user, and ends all other devices', async (t) => {
  const heidi = await target.user('heidi')
  const waiting = await target.device('heidi', { password: heidi.password })
  expect(await waiting.login(false), 200)
  expect(await waiting.addDevice(), 202)
  const chain = new SignedChain(heidi)
  const laptop = chain.reset()
  const backup = chain.add({ by: laptop, purpose: 'recovery' })
  await target.refuses(t, [
    ['a reset by somebody else', '403 forbidden', () => chain.post(bob, 1), /password/],
    ['a reset by a device', '403 forbidden', () => chain.post(heidi, 1), /password/]
  ])
  const owner = await target.device('heidi', { password: heidi.password })
  expect(await owner.login(false), 200)
  expect(await chain.post(owner, 1), 201)
  const known = await bob.user('heidi')
  t.equal(known.root, laptop.keys.signingFp)
  t.equal((await heidi.raw('GET', '/v1/users/me')).status, 401)
  t.equal((await waiting.raw('GET', '/v1/users/me')).status, 401)
  const restored = await clientOf(chain, laptop, heidi.password)
  expect(await restored.login(), 200)
  t.strictSame(
    (await devicesOf(restored)).map(({ id, status }) => [id, status]),
    [...[laptop.id, backup.id].sort().map((id) => [id, 'active']), [heidi.deviceId, 'revoked']]
  )
})
