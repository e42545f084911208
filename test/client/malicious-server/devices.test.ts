import { randomUUID } from 'node:crypto'
import t from 'tap'
import { failure, Listener } from '../../support/chat-clients.js'
import { inTheNameOf, isProfile, maliciousServer, RecordingFetch } from '../../support/malicious-server.js'
import { cosigned, signed, statementText, type Statement } from '../../support/interop/chains.js'
import { generateKeys, joinKeys, sha256Hex, unwrap, type DeviceKeys } from '../../support/interop/crypto.js'
import { expect, type PublicDevice } from '../../support/interop/http.js'
import type { SessionKeyBody } from '../../support/interop/conversations.js'
import type { InteropClient } from '../../support/interop/client.js'

const { proxy, victim, user } = await maliciousServer(t)
const posts = new RecordingFetch()
const bob = await victim('bob', { fetch: posts.fetch })
/** The server's own keys. */
const mallory = await generateKeys()

t.afterEach(() => proxy.tamper({}))

interface Profile {
  user: { id: string; username: string }
  root: string
  devices: PublicDevice[]
  retiredSigningKeys: string[]
  chain: Statement[]
}

/** A user whom Bob has met, unless told otherwise. */
async function contact(name: string, met = true): Promise<InteropClient> {
  const client = await user(name)
  if (met) await bob.users.get(name)
  return client
}

/** The error of a look-up of a user whose profile the server changes. */
async function looked({ username }: InteropClient, lie: (profile: Profile) => void): Promise<unknown> {
  proxy.tamper({
    answer(answer) {
      if (isProfile(answer, username)) lie(answer.body as Profile)
    }
  })
  const error = await failure(bob.users.get(username))
  proxy.tamper({})
  return `${error.kind} ${error.code}`
}

/** The next statement of a user's chain, about a device with these keys, signed by the given signer. */
async function next(
  of: InteropClient,
  kind: string,
  keys: DeviceKeys,
  {
    id = randomUUID(),
    version = 1,
    signers = [keys]
  }: { id?: string; version?: number; signers?: DeviceKeys[] } = {}
): Promise<{ statement: Statement; device: PublicDevice }> {
  const { sequence, head } = await of.user(of.username)
  return at({ username: of.username, sequence: sequence + 1, previous: head }, kind, keys, {
    id,
    version,
    signers
  })
}

function at(
  { username, sequence, previous }: { username: string; sequence: number; previous: string },
  kind: string,
  keys: DeviceKeys,
  { id, version = 1, signers = [keys] }: { id: string; version?: number; signers?: DeviceKeys[] }
): { statement: Statement; device: PublicDevice } {
  const text = statementText(kind, [
    ['user', username],
    ['sequence', sequence],
    ['previous', previous],
    ['device', id],
    ['signing-key', keys.signingFp],
    ['encryption-key', keys.encryptionFp],
    ['encryption-version', version]
  ])
  const { signingKey, encryptionKey } = keys
  return {
    statement: signed(text, ...signers),
    device: { id, signingKey, encryptionKey, encryptionVersion: version }
  }
}

t.test('A device that is not in the chain is refused', async (t) => {
  const alice = await contact('alice')
  const ghost = { id: randomUUID(), ...pick(mallory), encryptionVersion: 1 }
  const lies: [lie: (profile: Profile) => void, code: string][] = [
    [({ devices }) => devices.push(ghost), 'ghost-device'],
    [(profile) => (profile.devices = [{ ...profile.devices[0]!, id: ghost.id }]), 'ghost-device'],
    [({ devices }) => devices.push({ ...devices[0]!, id: bob.account!.deviceId }), 'ghost-device'],
    [(profile) => (profile.devices = []), 'forked-chain'],
    [({ user }) => (user.id = randomUUID()), 'other-answer'],
    [({ user }) => (user.username = 'alicia'), 'other-answer']
  ]
  for (const [lie, code] of lies) t.equal(await looked(alice, lie), `untrusted ${code}`)
})

t.test('A device that no device of the user has signed into the chain is refused', async (t) => {
  const amy = await contact('amy')
  const { statement, device } = await next(amy, 'device-add', mallory)
  const inHerName = inTheNameOf(amy.keys, mallory, statement.text).signatures
  const forgeries: Statement[] = [
    statement,
    { ...statement, signatures: { ...statement.signatures, ...inHerName } },
    cosigned(statement, joinKeys(mallory.encryptionPrivate))
  ]
  for (const forgery of forgeries) {
    const lie = ({ chain, devices }: Profile) => {
      chain.push(forgery)
      devices.push(device)
    }
    t.equal(await looked(amy, lie), 'untrusted bad-signature')
  }
  t.match((await bob.users.get('amy')).devices, [{ id: amy.deviceId }])
})

t.test('Keys that are not those of the chain are refused, at first sight and later', async (t) => {
  const [anna, abel] = [await contact('anna', false), await contact('abel')]
  const { signingKey, encryptionKey } = mallory
  const swap = (keys: Partial<PublicDevice>) => (profile: Profile) =>
    (profile.devices = [{ ...profile.devices[0]!, ...keys }])
  t.equal(await looked(anna, swap({ signingKey })), 'untrusted bad-signature')
  t.equal(await looked(anna, swap({ encryptionKey })), 'untrusted swapped-key')
  t.equal(await looked(abel, swap({ signingKey })), 'untrusted swapped-key')
  t.equal(await looked(abel, swap({ encryptionKey })), 'untrusted swapped-key')
})

t.test('Keys of this device that it has not made are refused', async (t) => {
  proxy.tamper({
    answer(answer) {
      if (!isProfile(answer, 'eve')) return
      const profile = answer.body as Profile
      const first = { username: 'eve', sequence: 1, previous: '-' }
      const { statement, device } = at(first, 'device-add', mallory, { id: profile.devices[0]!.id })
      Object.assign(profile, { root: mallory.signingFp, devices: [device], chain: [statement] })
    }
  })
  t.match(await failure(victim('eve')), { kind: 'untrusted', code: 'swapped-key' })
})

t.test('An older encryption key is refused, and nothing is wrapped for it', async (t) => {
  const asta = await contact('asta')
  const { conversationId } = await bob.send({ username: 'asta' }, 'one')
  const before = await profileOf(asta)
  expect(await asta.rekey(), 200)
  const older = (version: number) => (profile: Profile) =>
    (profile.devices = [{ ...before.devices[0]!, encryptionVersion: version }])
  t.equal(await looked(asta, older(1)), 'untrusted downgraded-key')
  await bob.users.get('asta')
  t.equal(await looked(asta, older(1)), 'untrusted downgraded-key')
  t.equal(await looked(asta, older(2)), 'untrusted swapped-key')
  t.equal(await looked(asta, (profile) => Object.assign(profile, before)), 'untrusted forked-chain')
  proxy.tamper({
    answer({ path, body }) {
      if (path.endsWith('/roster')) body.members[0].devices = before.devices
    }
  })
  posts.seen.length = 0
  await bob.send(conversationId, 'two')
  const { wraps } = posts.seen[0]!.body as unknown as SessionKeyBody
  const { wrappedKey } = wraps.find(({ deviceId }) => deviceId === asta.deviceId)!
  t.equal(unwrap(asta.keys.encryptionPrivate, wrappedKey).length, 32, 'whatever the roster says')
})

t.test('A chain that forks from the one seen before is refused', async (t) => {
  const ava = await contact('ava')
  const { sequence, head } = await ava.user('ava')
  const end = { username: 'ava', sequence: sequence + 1, previous: head }
  const other = joinKeys(mallory.encryptionPrivate, ava.keys.signingPrivate)
  const fork = at(end, 'device-rekey', other, { id: ava.deviceId, version: 2 })
  expect(await ava.rekey(), 200)
  await bob.users.get('ava')
  const show =
    ({ statement, device }: typeof fork) =>
    (profile: Profile) => {
      profile.chain = [statement]
      profile.devices = [device]
    }
  t.equal(await looked(ava, show(fork)), 'untrusted forked-chain')
  const onward = { ...end, sequence: end.sequence + 1, previous: sha256Hex(fork.statement.text) }
  const longer = at(onward, 'device-rekey', mallory, { id: ava.deviceId, version: 3, signers: [other] })
  t.equal(await looked(ava, show(longer)), 'untrusted forked-chain')
  const first = at({ ...end, sequence: 1, previous: '-' }, 'device-add', mallory, { id: randomUUID() })
  t.equal(await looked(ava, show(first)), 'untrusted forked-chain', 'a second beginning')
  t.equal(await looked(ava, (profile) => (profile.root = mallory.signingFp)), 'untrusted second-root')
})

t.test('A new root is reported, whether or not the server announces it, and nothing is sent', async (t) => {
  const [ada, ann] = [await contact('ada'), await contact('ann')]
  const bobs = new Listener(t, bob)
  await bobs.first('connected')
  const { conversationId } = await bob.send({ username: 'ada' }, 'to Ada')
  await bob.send({ username: 'ann' }, 'to Ann')
  await bob.contacts.verify('ada')
  const resets = await Promise.all([ada, ann].map((one) => next(one, 'device-reset', mallory)))
  proxy.tamper({
    answer(answer) {
      for (const [at, { username, keys }] of [ada, ann].entries())
        if (isProfile(answer, username)) {
          const { statement, device } = resets[at]!
          Object.assign(answer.body, { root: mallory.signingFp, devices: [device], chain: [statement] })
          answer.body.retiredSigningKeys = [keys.signingKey]
        }
    },
    frame: (frame) => {
      if (frame.event !== 'device.chain' || frame.data.username !== 'ann') return [frame]
      return [{ ...frame, data: { ...frame.data, statement: resets[1]!.statement } }]
    }
  })
  posts.seen.length = 0
  expect(await ann.rekey(), 200)
  t.match(await bobs.first('identity-changed'), { username: 'ann', wasVerified: false })
  t.match(await failure(bob.send({ username: 'ann' }, 'to whom?')), { kind: 'identity-changed' })

  t.match(await bob.contacts.get('ada'), { status: 'changed', wasVerified: true })
  t.match(await failure(bob.send(conversationId, 'to whom?')), { kind: 'identity-changed' })
  t.strictSame(posts.kinds(), [])
  await bobs.stop()
})

t.test('Forged statements about devices in the stream are reported, and not believed', async (t) => {
  const abe = await contact('abe')
  await bob.send({ username: 'abe' }, 'hello')
  const bobs = new Listener(t, bob)
  await bobs.first('connected')
  proxy.tamper({
    frame: (frame) => {
      if (frame.event !== 'device.chain') return [frame]
      const text = (frame.data.statement as Statement).text.replace('device-rekey', 'device-reset')
      return [{ ...frame, data: { ...frame.data, statement: { ...frame.data.statement, text } } }]
    }
  })
  expect(await abe.rekey(), 200)
  t.match(await bobs.first('untrusted'), { error: { kind: 'untrusted', code: 'forged-event' } })
  t.match(await bob.contacts.get('abe'), { status: 'unverified' })
  await bobs.stop()
})

function pick({ signingKey, encryptionKey }: DeviceKeys): Pick<PublicDevice, 'signingKey' | 'encryptionKey'> {
  return { signingKey, encryptionKey }
}

async function profileOf(of: InteropClient): Promise<Profile> {
  return expect(await of.raw<Profile>('GET', `/v1/users/${of.username}`), 200).body
}
