import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { startTarget, type Case } from '../../../support/bad-input.js'
import { expect } from '../../../support/interop/http.js'
import type { InteropClient } from '../../../support/interop/client.js'
import { startChat } from '../../../support/start-chat.js'

const PATH = '/v1/users/me/key-backup'
const MIB = 2 ** 20
const target = await startTarget(t, { CORS_ORIGINS: 'https://chat.example.org' })
const { refuses, url } = target

type Headers = Record<string, string>
const put = (of: InteropClient, body: Uint8Array | string, headers: Headers) =>
  of.raw('PUT', PATH, { body, headers: { 'content-type': 'application/octet-stream', ...headers } })
const remove = (of: InteropClient, headers: Headers = {}) => of.raw('DELETE', PATH, { headers })

/** What is stored, byte for byte. */
async function get(of: InteropClient, headers: Headers = {}, method = 'GET') {
  const authorization = `Bearer ${of.accessToken}`
  const answer = await fetch(`${url}${PATH}`, { method, headers: { authorization, ...headers } })
  const bytes = Buffer.from(await answer.arrayBuffer())
  return { status: answer.status, headers: Object.fromEntries(answer.headers), bytes }
}

/** Store the first backup of a user. @returns its tag */
async function stored(of: InteropClient, blob: Uint8Array): Promise<string> {
  const { headers } = expect(await put(of, blob, { 'if-none-match': '*' }), 201)
  return headers.etag!
}

/** A session of the user that has no device. */
async function withoutDevice(of: InteropClient): Promise<InteropClient> {
  const session = await target.device(of.username)
  expect(await session.login(false), 200)
  return session
}

t.test('A key backup is given back as it was stored, and replaced or deleted by its tag', async (t) => {
  const alice = await target.user('alice')
  const [first, second] = [randomBytes(5000), randomBytes(MIB)]
  t.match(await get(alice), { status: 404 })

  const etag = await stored(alice, first)
  t.match(etag, /^"[\x21\x23-\x7e]+"$/, 'the tag is a strong one')
  const read = await get(alice)
  t.match(read, { status: 200, headers: { etag, 'content-length': '5000', 'cache-control': 'no-store' } })
  t.equal(read.headers['content-type'], 'application/octet-stream')
  t.ok(read.bytes.equals(first))

  const { headers } = expect(await put(alice, second, { 'if-match': etag }), 204)
  t.not(headers.etag, etag)
  const after = await get(alice)
  t.equal(after.headers['etag'], headers.etag)
  t.ok(after.bytes.equals(second), 'a whole MiB')

  expect(await remove(alice, { 'if-match': headers.etag! }), 204)
  t.match(await get(alice), { status: 404 })
})

t.test(
  'HEAD returns size and tag, and If-None-Match saves the bytes if the client holds the backup',
  async (t) => {
    const bob = await target.user('bob')
    t.match(await get(bob, {}, 'HEAD'), { status: 404 })
    const etag = await stored(bob, randomBytes(321))
    const head = await get(bob, {}, 'HEAD')
    t.match(head, { status: 200, headers: { etag, 'content-length': '321' } })
    t.equal(head.bytes.length, 0)
    for (const known of [etag, `W/${etag}`, `"x,y",, ${etag}`, '*']) {
      const answer = await get(bob, { 'if-none-match': known })
      t.match(answer, { status: 304, headers: { etag } }, known)
      t.equal(answer.bytes.length, 0)
    }
    t.equal((await get(bob, { 'if-none-match': '"x"' })).status, 200)
    t.equal((await get(bob, { 'if-match': etag })).status, 200)
    t.equal((await get(bob, { 'if-match': '"x"' })).status, 412)
  }
)

t.test('A request overwrites or deletes only the backup that it names', async (t) => {
  const carol = await target.user('carol')
  const [blob, other] = [randomBytes(100), randomBytes(100)]
  const etag = await stored(carol, blob)
  const lost: [wrong: string, headers: Headers][] = [
    ['the tag of another', { 'if-match': '"x"' }],
    ['a weak tag', { 'if-match': `W/${etag}` }],
    ['a longer tag', { 'if-match': `${etag.slice(0, -1)}x"` }],
    ['one tag and its opposite', { 'if-match': etag, 'if-none-match': etag }],
    ['one tag and nothing', { 'if-match': etag, 'if-none-match': '*' }]
  ]
  const unsaid: [wrong: string, headers: Headers][] = [
    ['nothing', {}],
    ['whatever is there', { 'if-match': '*' }],
    ['all but one', { 'if-none-match': '"x"' }]
  ]
  const garbled = ['x', etag.slice(1), `${etag} ${etag}`, `${etag}, x`, '*, "x"', `${etag},`, '""x"']
  await refuses(t, [
    ['a first backup', '412 precondition-failed', () => put(carol, other, { 'if-none-match': '*' })],
    ['no tag, deleting', '412 precondition-failed', () => remove(carol, { 'if-none-match': '*' })],
    ...lost.flatMap(([wrong, headers]): Case[] => [
      [wrong, '412 precondition-failed', () => put(carol, other, headers)],
      [`${wrong}, deleting`, '412 precondition-failed', () => remove(carol, headers)]
    ]),
    ...unsaid.flatMap(([wrong, headers]): Case[] => [
      [wrong, '428 precondition-required', () => put(carol, other, headers)],
      [`${wrong}, deleting`, '428 precondition-required', () => remove(carol, headers)]
    ]),
    ...garbled.map((value): Case => [
      `a header ${value}`,
      '400 invalid-request',
      () => put(carol, other, { 'if-match': value }),
      /if-match/
    ])
  ])
  const dave = await target.user('dave')
  await refuses(t, [
    ['replacing what is not', '412 precondition-failed', () => put(dave, other, { 'if-match': etag })],
    ['deleting what is not', '404 key-backup-not-found', () => remove(dave, { 'if-match': etag })]
  ])
})

t.test('A retry of a stored backup succeeds, because the first answer may be lost', async (t) => {
  const erin = await target.user('erin')
  const [first, second] = [randomBytes(100), randomBytes(100)]
  const etag = await stored(erin, first)
  t.match(await put(erin, first, { 'if-none-match': '*' }), { status: 204, headers: { etag } })
  const next = expect(await put(erin, second, { 'if-match': etag }), 204).headers.etag!
  t.match(await put(erin, second, { 'if-match': etag }), { status: 204, headers: { etag: next } })
  await refuses(t, [
    ['going back', '412 precondition-failed', () => put(erin, first, { 'if-match': etag })],
    ['beginning anew', '412 precondition-failed', () => put(erin, first, { 'if-none-match': '*' })]
  ])
})

t.test('A body that is not all of the bytes, within bounds, is refused', async (t) => {
  const frank = await target.user('frank')
  const blob = randomBytes(100)
  const create = { 'if-none-match': '*' }
  const type = '415 unsupported-media-type'
  await refuses(t, [
    ['a byte too many', '413 payload-too-large', () => put(frank, Buffer.alloc(MIB + 1), create)],
    ['JSON', type, () => frank.raw('PUT', PATH, { body: { blob: 'AAAA' }, headers: create }), /octet-stream/],
    ['text', type, () => put(frank, 'hello', { ...create, 'content-type': 'text/plain' }), /octet-stream/],
    ['a garbled type', type, () => put(frank, blob, { ...create, 'content-type': 'octets' })],
    ['compressed', type, () => put(frank, blob, { ...create, 'content-encoding': 'gzip' }), /Encoding/],
    ['an empty one', '400 invalid-request', () => put(frank, '', create), /empty/],
    ['none', '400 invalid-request', () => frank.raw('PUT', PATH, { headers: create }), /empty/],
    [
      'a part',
      '400 invalid-request',
      () => put(frank, blob, { ...create, 'content-range': 'bytes 0-99/200' }),
      /Content-Range/
    ]
  ])
  const untyped = await fetch(`${url}${PATH}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${frank.accessToken}`, ...create },
    body: blob
  })
  t.equal(untyped.status, 415)
  for (const [path, method] of [
    ['/v1/devices', 'POST'],
    ['/v1/conversations', 'POST']
  ] as const) {
    const headers = { 'content-type': 'application/octet-stream' }
    t.equal((await frank.raw(method, path, { body: blob, headers })).status, 415, `${path} takes no bytes`)
  }
})

t.test('Only the owner can read or change a key backup', async (t) => {
  const [grace, heidi] = [await target.user('grace'), await target.user('heidi')]
  const [hers, theirs] = [randomBytes(100), randomBytes(100)]
  const etag = await stored(grace, hers)
  t.equal((await get(heidi)).status, 404)
  await refuses(t, [
    ['replacing another’s', '412 precondition-failed', () => put(heidi, theirs, { 'if-match': etag })],
    ['deleting another’s', '404 key-backup-not-found', () => remove(heidi, { 'if-match': etag })],
    ['no token', '401 unauthenticated', () => grace.raw('GET', PATH, { token: null })]
  ])
  await stored(heidi, theirs)
  t.ok((await get(grace)).bytes.equals(hers))
  t.ok((await get(heidi)).bytes.equals(theirs))
})

t.test('A user who has lost every device reads the backup; only an active device changes it', async (t) => {
  const ivan = await target.user('ivan')
  const blob = randomBytes(100)
  const etag = await stored(ivan, blob)
  const bare = await withoutDevice(ivan)
  const pending = await withoutDevice(ivan)
  expect(await pending.addDevice(), 202)
  for (const session of [bare, pending]) {
    t.ok((await get(session)).bytes.equals(blob))
    t.match(await get(session, {}, 'HEAD'), { status: 200, headers: { etag } })
  }
  const changes = (of: InteropClient) => [
    () => put(of, randomBytes(9), { 'if-match': etag }),
    () => put(of, randomBytes(9), {}),
    () => remove(of, { 'if-match': etag })
  ]
  await refuses(t, [
    ...changes(bare).map((change): Case => ['no device', '403 device-required', change]),
    ...changes(pending).map((change): Case => ['a pending device', '403 device-pending', change])
  ])
})

t.test('A web page of an allowed origin can read the tag', async (t) => {
  const judy = await target.user('judy')
  const etag = await stored(judy, randomBytes(10))
  const { headers } = await get(judy, { origin: 'https://chat.example.org' })
  t.match(headers, { etag, 'access-control-expose-headers': /\bETag\b/ })
})

t.test('The log contains nothing of a key backup', async (t) => {
  const loud = await startTarget(t, { LOG_LEVEL: 'trace' })
  const kim = await loud.user('kim')
  const blob = Buffer.from('the recovery of everything')
  expect(await put(kim, blob, { 'if-none-match': '*' }), 201)
  expect(await put(kim, blob, { 'if-match': '"x"' }), 204)
  expect(await put(kim, 'x', { 'if-match': '"x"' }), 412)
  await loud.services.db.execute(sql`drop table key_backups`)
  expect(await put(kim, blob, { 'if-none-match': '*' }), 500)
  const text = loud.log.join('')
  t.match(text, /request failed/)
  t.match(text, new RegExp(PATH))
  for (const form of ['utf8', 'base64', 'hex'] as const) t.notMatch(text, blob.toString(form))
})

t.test('A backup counts by its size, and one too many is refused before its body is read', async (t) => {
  const limited = await startChat(t, { RATE_LIMIT: 'on', RATE_LIMIT_WRITE: '200' })
  const alice = await limited.user('alice')
  const etag = await stored(alice, randomBytes(MIB))
  t.match(
    await put(alice, randomBytes(5000), { 'if-match': etag }),
    { status: 204 },
    'a small one counts as little'
  )

  const request = connect((limited.app.server.address() as AddressInfo).port, '127.0.0.1')
  t.teardown(() => request.destroy())
  const headers = ['Content-Type: application/octet-stream', 'If-None-Match: *', `Content-Length: ${MIB}`]
  const head = [
    `PUT ${PATH} HTTP/1.1`,
    'Host: chat',
    `Authorization: Bearer ${alice.accessToken}`,
    ...headers
  ]
  request.write([...head, '', ''].join('\r\n'))
  const [answer] = (await once(request, 'data')) as [Buffer]
  t.match(answer.toString(), /^HTTP\/1.1 429 .*\r\nretry-after: [1-9]/is)
})
