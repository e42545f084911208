import { randomBytes, randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { dropWraps } from '../../../../src/server/chains/wraps.js'
import { addedWraps } from '../../../../src/server/db/schema.js'
import { cheapKeys, malformed, startTarget, type Case } from '../../../support/bad-input.js'
import { cheapKem } from '../../../support/cheap-keys.js'
import { change, found, leave, member, post, show } from '../../../support/conversations.js'
import { signed, statementText, type Statement } from '../../../support/interop/chains.js'
import { sha256Hex } from '../../../support/interop/crypto.js'
import { expect } from '../../../support/interop/http.js'
import type { InteropClient } from '../../../support/interop/client.js'

interface NewWrap {
  deviceId: string
  wrappedKey: string
  statement: Statement
}

const target = await startTarget(t)
const { db } = target.services
const [alice, bob] = [await target.user('alice'), await target.user('bob')]
const id = await found(alice, 'group', [bob])
const { sessionKeyId, key } = await show(alice, id)
const keyPath = (keyId = sessionKeyId, of = id) => `/v1/conversations/${of}/session-keys/${keyId}`

/** A later device of a user, approved by another one. */
async function laterDevice(of: InteropClient, options: { kemKey?: string; purpose?: 'recovery' } = {}) {
  const { kemKey, ...rest } = options
  const keys = cheapKeys({ ...(kemKey !== undefined && { kemKey }) })
  const device = await target.device(of.username, { password: of.password, keys, ...rest })
  expect(await device.login(false), 200)
  expect(await device.addDevice(of.keys), 201)
  expect(await device.login(), 200)
  return device
}

interface Liberties {
  wrappedKey?: string
  text?: (text: string) => string
  signer?: InteropClient
  conversation?: string
  key?: string
}

function wrap(by: InteropClient, reader: InteropClient, liberties: Liberties = {}): NewWrap {
  const kem = reader.keys.kemKey === undefined ? 0 : 1088 + 48
  const wrappedKey = liberties.wrappedKey ?? randomBytes(256 + kem).toString('base64')
  const text = statementText('wrap-added', [
    ['conversation', liberties.conversation ?? id],
    ['key', liberties.key ?? key],
    ['reader', reader.keys.signingFp],
    ['wrap', sha256Hex(Buffer.from(wrappedKey, 'base64'))],
    ['by', by.keys.signingFp]
  ])
  const statement = signed(liberties.text?.(text) ?? text, (liberties.signer ?? by).keys)
  return { deviceId: reader.deviceId, wrappedKey, statement }
}

const add = (by: InteropClient, wraps: unknown, path = keyPath()) => post(by, `${path}/wraps`, { wraps })
const shared = (of: { received: readonly { event: string }[] }) =>
  of.received.filter(({ event }) => event === 'session-key.shared')
interface Read {
  sessionKey: { wrappedKey?: string; added: { wrappedKey: string; statement: Statement }[] }
}
const readKey = async (by: InteropClient, path = keyPath()) =>
  expect(await by.raw<Read>('GET', path), 200).body.sessionKey

t.test('A device that comes in later gets an older key from another device of its user', async (t) => {
  const phone = await laterDevice(bob, { kemKey: cheapKem() })
  const [onPhone, onLaptop, stranger] = [await phone.live(), await bob.live(), await alice.live()]
  const given = wrap(bob, phone)
  expect(await add(bob, [given]), 201)
  for (const stream of [onPhone, onLaptop]) {
    const { data } = await stream.waitFor(({ event }) => event === 'session-key.shared')
    t.match(data, { conversationId: id, sessionKeyId, deviceIds: [phone.deviceId] })
  }
  const { wrappedKey, statement } = given
  const { sessionKey } = { sessionKey: await readKey(phone) }
  t.equal(sessionKey.wrappedKey, undefined)
  t.strictSame(sessionKey.added, [{ wrappedKey, statement }])
  t.strictSame((await readKey(phone, keyPath(key))).added, sessionKey.added)

  expect(await add(bob, [given]), 201)
  const other = wrap(bob, phone)
  expect(await add(bob, [other], keyPath(key)), 201)
  await onPhone.until(() => shared(onPhone).length === 2)
  t.strictSame((await readKey(phone)).added, [{ wrappedKey: other.wrappedKey, statement: other.statement }])
  const tablet = await laterDevice(bob)
  expect(await add(phone, [wrap(phone, tablet), wrap(phone, bob)]), 201)
  await onPhone.until(() => shared(onPhone).length === 3)
  t.equal(shared(onLaptop).length, 3, 'a repeat makes no event')
  t.equal(shared(stranger).length, 0, 'others get none')
})

t.test('Wraps stand beside the maker’s, one of each device that adds', async (t) => {
  const carol = await target.user('carol')
  const group = await found(alice, 'group', [carol])
  const shown = await show(carol, group)
  const path = keyPath(shown.sessionKeyId, group)
  const own = { conversation: group, key: shown.key }
  const before = await readKey(carol, path)
  const [first, second] = [await laterDevice(carol), await laterDevice(carol)]
  const toFirst = wrap(carol, first, own)
  expect(await add(carol, [toFirst, wrap(carol, second, own)], path), 201)
  const [back, also] = [wrap(first, carol, own), wrap(second, carol, own)]
  expect(await add(first, [back], path), 201)
  expect(await add(second, [also], path), 201)
  const after = await readKey(carol, path)
  t.equal(after.wrappedKey, before.wrappedKey, 'the maker’s cannot be replaced')
  const wraps = (list: readonly { wrappedKey: string }[]) => list.map(({ wrappedKey }) => wrappedKey).sort()
  t.strictSame(wraps(after.added), wraps([back, also]))

  expect(await carol.revoke(second.deviceId), 200)
  const third = await laterDevice(carol)
  const replacing = wrap(third, carol, own)
  expect(await add(carol, [wrap(carol, third, own)], path), 201)
  expect(await add(third, [replacing], path), 201)
  t.strictSame(
    wraps((await readKey(carol, path)).added),
    wraps([back, replacing]),
    'a gone device’s is replaced'
  )
  t.strictSame((await readKey(first, path)).added, [
    { wrappedKey: toFirst.wrappedKey, statement: toFirst.statement }
  ])
  await db.update(addedWraps).set({ fetchedAt: sql`now() - interval '366 days'` })
  await dropWraps(db, 365)
  t.strictSame((await readKey(carol, path)).added, [])
  expect(await add(carol, [wrap(carol, first, own)], path), 201)
  t.equal((await readKey(first, path)).added.length, 1)
})

t.test('The wraps of a recovery device stay, however often its user reads them', async (t) => {
  const erin = await target.user('erin')
  const recovery = await laterDevice(erin, { purpose: 'recovery' })
  const group = await found(alice, 'group', [erin])
  const { sessionKeyId } = await show(erin, group)
  const path = keyPath(sessionKeyId, group)
  const before = await readKey(recovery, path)
  await readKey(erin, path)
  await db.execute(
    sql`update session_key_wraps set fetched_at = now() - interval '366 days' where fetched_at is not null`
  )
  await dropWraps(db, 365)
  t.strictSame(await readKey(recovery, path), before)
  await target.refuses(t, [
    ['one of a chat device', '404 session-key-not-found', () => erin.raw('GET', path)]
  ])
})

t.test('Former members pass on the keys of their time', async (t) => {
  const dora = await target.user('dora')
  const group = await found(alice, 'group', [dora])
  const then = await show(dora, group)
  expect(await leave(dora, group), 201)
  const tablet = await laterDevice(dora)
  const path = keyPath(then.sessionKeyId, group)
  expect(await add(dora, [wrap(dora, tablet, { conversation: group, key: then.key })], path), 201)
  t.equal((await readKey(tablet, path)).added.length, 1)
})

t.test('A wrap is for another active device of the caller, who has the key', async (t) => {
  const phone = await laterDevice(alice)
  const gone = await laterDevice(alice)
  expect(await alice.revoke(gone.deviceId), 200)
  const backup = await laterDevice(alice, { purpose: 'recovery' })
  const mallory = await target.user('mallory')
  const elsewhere = await found(alice, 'group')
  const [noDevice, noKey, invalid] = [
    '404 device-not-found',
    '404 session-key-not-found',
    '400 invalid-request'
  ] as const
  const good = wrap(alice, phone)
  const cases: Case[] = [
    ['a device of another member', noDevice, () => add(alice, [wrap(alice, bob)])],
    ['a stranger’s device among others', noDevice, () => add(alice, [good, wrap(alice, mallory)])],
    ['a device of nobody', noDevice, () => add(alice, [{ ...good, deviceId: randomUUID() }])],
    ['the calling device', noDevice, () => add(alice, [wrap(alice, alice)])],
    ['a revoked device', noDevice, () => add(alice, [wrap(alice, gone)])],
    ['a key that one does not have', noKey, () => add(phone, [wrap(phone, alice)])],
    ['a key of nobody', noKey, () => add(alice, [good], keyPath(randomUUID()))],
    ['a key of another conversation', noKey, () => add(alice, [good], keyPath(sessionKeyId, elsewhere))],
    ['a stranger', '404 conversation-not-found', () => add(mallory, [wrap(mallory, mallory)])],
    ['two wraps for one device', invalid, () => add(alice, [good, wrap(alice, phone)])],
    ['no wraps', invalid, () => add(alice, [])],
    ['a wrap that is none', invalid, () => add(alice, [null])],
    ['a wrap without a statement', invalid, () => add(alice, [{ ...good, statement: undefined }])],
    ['a key that is no id', invalid, () => add(alice, [good], keyPath('%25'))]
  ]
  await target.refuses(t, cases)
  expect(await add(alice, [wrap(alice, backup)]), 201)
  await target.refuses(t, [['a recovery device', '403 forbidden', () => add(backup, [wrap(backup, alice)])]])
})

t.test('The statement of a wrap names it, and is signed by the calling device', async (t) => {
  const phone = await laterDevice(alice)
  const { statement, ...rest } = wrap(alice, phone)
  const other = sha256Hex('x')
  const line = (name: string, value: string) => (text: string) =>
    text.replace(new RegExp(`^${name} .*$`, 'm'), `${name} ${value}`)
  const changed = (name: string, value: string) =>
    add(alice, [wrap(alice, phone, { text: line(name, value) })])
  const badStatement = '400 invalid-statement'
  const sized = (bytes: number, of: InteropClient) =>
    add(alice, [wrap(alice, of, { wrappedKey: randomBytes(bytes).toString('base64') })])
  const withKem = await laterDevice(alice, { kemKey: cheapKem() })
  await target.refuses(t, [
    ...malformed(statement.text).map(([wrong, text]): Case => [
      `a statement ${wrong}`,
      badStatement,
      () => add(alice, [{ ...rest, statement: signed(text, alice.keys) }])
    ]),
    ['another conversation', badStatement, () => changed('conversation', randomUUID())],
    ['another key', badStatement, () => changed('key', other)],
    ['another reader', badStatement, () => changed('reader', alice.keys.signingFp)],
    ['another wrap', badStatement, () => changed('wrap', other)],
    ['another device as signer', badStatement, () => add(alice, [wrap(bob, phone)]), /by/],
    ['another’s signature', '400 invalid-signature', () => add(alice, [wrap(alice, phone, { signer: bob })])],
    ['a wrap of another size', '400 invalid-request', () => sized(384, phone), /256 bytes/],
    [
      'a wrap without its ciphertext for the KEM key',
      '400 invalid-request',
      () => sized(256, withKem),
      /1392/
    ]
  ])
  expect(await change(alice, id, [['add', await member(alice, 'carol')]]), 201)
  expect(await add(alice, [{ ...rest, statement }]), 201)
})
