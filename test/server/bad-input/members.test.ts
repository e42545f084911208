import { randomBytes, randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { said, startTarget, type Case } from '../../support/bad-input.js'
import { chainRequest, readChain, type Change } from '../../support/chain-requests.js'
import { change, envelope, found, leave, leaving, newKey, post, say } from '../../support/conversations.js'
import { signed, type Statement } from '../../support/interop/chains.js'
import { sha256Hex, sign } from '../../support/interop/crypto.js'
import { expect, type Answer } from '../../support/interop/http.js'
import type { InteropClient } from '../../support/interop/client.js'

const target = await startTarget(t)
const { refuses } = target
const alice = await target.user('alice')
const bob = await target.user('bob')
const carol = await target.user('carol')
const mallory = await target.user('mallory')
const roots = Object.fromEntries(
  [alice, bob, carol, mallory].map((user) => [user.username, user.keys.signingFp])
)
const group = await found(alice, 'group', [bob])

const invalid = '400 invalid-request'
const badStatement = '400 invalid-statement'
const badSignature = '400 invalid-signature'
const absent = '404 conversation-not-found'
const nobody = {
  username: 'nobody',
  root: sha256Hex('nobody'),
  sequence: 1,
  head: sha256Hex('x'),
  devices: []
}
const known = new Map([['nobody', nobody]])

const member = (name: string, role = 'member') =>
  ['member', `${name} ${role} ${roots[name] ?? nobody.root}`] as const
const by = (of: InteropClient, ...changes: Change[]) => change(of, group, changes, { known })

t.test('Members of a group are changed by its admins, one step at a time', async (t) => {
  await refuses(t, [
    ['a member who adds', '403 not-admin', () => by(bob, ['add', member('carol')])],
    ['a member who removes', '403 not-admin', () => by(bob, ['remove', ['member', 'alice']])],
    ['a member who makes themself admin', '403 not-admin', () => by(bob, ['role', member('bob', 'admin')])],
    ['a member who sets the timer', '403 not-admin', () => by(bob, ['timer', ['message-ttl', 1]])],
    ['adding a member again', '409 already-member', () => by(alice, ['add', member('bob')])],
    [
      'adding a member again as admin',
      '409 already-member',
      () => by(alice, ['add', member('bob', 'admin')])
    ],
    ['adding a user who does not exist', '404 user-not-found', () => by(alice, ['add', member('nobody')])],
    [
      'adding under another root',
      '409 root-changed',
      () => by(alice, ['add', ['member', `carol member ${roots['bob']}`]])
    ],
    ['removing a user who is not in', '409 not-a-member', () => by(alice, ['remove', ['member', 'carol']])],
    ['removing nobody', '409 not-a-member', () => by(alice, ['remove', ['member', 'nobody']])],
    ['a role for a user who is not in', '409 not-a-member', () => by(alice, ['role', member('carol')])],
    ['the role that a member has', badStatement, () => by(alice, ['role', member('bob')])],
    [
      'a role under another root',
      '409 root-changed',
      () => by(alice, ['role', ['member', `bob admin ${roots['carol']}`]])
    ],
    [
      'two timers',
      badStatement,
      () => by(alice, ['timer', ['message-ttl', 1]], ['timer', ['message-ttl', 2]])
    ],
    [
      'adding and removing the same user',
      badStatement,
      () => by(alice, ['add', member('carol')], ['remove', ['member', 'carol']])
    ],
    [
      'a second step on a wrong first',
      '403 not-admin',
      () => by(bob, ['role', member('bob', 'admin')], ['add', member('carol')])
    ]
  ])
})

t.test('The last admin stays while others are in', async (t) => {
  const lastAdmin = '409 last-admin'
  await refuses(t, [
    ['leaving', lastAdmin, () => leave(alice, group)],
    ['removing oneself', lastAdmin, () => by(alice, ['remove', ['member', 'alice']])],
    ['giving up the role', lastAdmin, () => by(alice, ['role', member('alice')])]
  ])
  const id = await found(alice, 'group', [bob])
  const hand = [
    ['role', member('bob', 'admin')],
    ['role', member('alice')]
  ] as const
  expect(await change(alice, id, hand), 201)
  expect(await leave(alice, id), 201)
  expect(await leave(bob, id), 201)
  t.pass('somebody alone may leave')
})

t.test('A change counts with the signature of the device that makes it', async (t) => {
  const { statements, key } = await chainRequest(alice, await readChain(alice, group), [
    ['add', member('carol')]
  ])
  const { text, signatures } = statements[0]!
  const [fp] = Object.keys(signatures) as [string]
  const send = (statement: Statement, of = alice) =>
    post(of, `/v1/conversations/${group}/chain`, { statements: [statement], key })
  const forged = (given: Record<string, string>) => send({ text, signatures: given })
  await refuses(t, [
    ['an admin’s statement in a member’s hands', badStatement, () => send(statements[0]!, bob)],
    [
      'a member’s signature under the admin’s name',
      badSignature,
      () => forged({ [fp]: sign(bob.keys, text) })
    ],
    ['a member’s signature alone', badSignature, () => forged({ [roots['bob']!]: sign(bob.keys, text) })],
    [
      'a stranger’s signature too',
      badSignature,
      () => forged({ ...signatures, [roots['mallory']!]: sign(mallory.keys, text) })
    ]
  ])
})

t.test('A conversation of others looks like one that does not exist', async (t) => {
  const message = await envelope(alice, group)
  const view = await readChain(alice, group)
  const requests = await Promise.all([
    chainRequest(mallory, view, [['add', member('mallory', 'admin')]]),
    chainRequest(mallory, view, [['remove', ['member', 'alice']]])
  ])
  const inPlace = <T>(id: string, body: T) => JSON.parse(JSON.stringify(body).replaceAll(group, id)) as T
  const resigned = (statement: Statement): Statement => signed(statement.text, mallory.keys)
  const sent = (id: string, { statements, key }: (typeof requests)[number]) => {
    const placed = inPlace(id, { statements, key })
    return {
      statements: placed.statements.map(resigned),
      key: { ...placed.key, statement: resigned(placed.key.statement) }
    }
  }
  const wrap = {
    deviceId: mallory.deviceId,
    wrappedKey: randomBytes(256).toString('base64'),
    statement: requests[0].key.statement
  }
  const left = await leaving(mallory, group, alice)
  const at = (id: string, path: string) => `/v1/conversations/${id}${path}`
  const reads = [
    '',
    '/chain',
    '/roster',
    '/members',
    '/session-keys',
    '/messages',
    '/messages?after=0',
    '/chain?after=1'
  ]
  const routes: [what: string, (id: string) => Promise<Answer<unknown>>][] = [
    ...reads.map((path): [string, (id: string) => Promise<Answer<unknown>>] => [
      `GET ${path}`,
      (id) => mallory.raw('GET', at(id, path))
    ]),
    ['sending', (id) => say(mallory, id, message)],
    ['an addition', (id) => post(mallory, at(id, '/chain'), sent(id, requests[0]))],
    ['a removal', (id) => post(mallory, at(id, '/chain'), sent(id, requests[1]))],
    ['leaving', (id) => post(mallory, at(id, '/chain'), { statements: [resigned(inPlace(id, left))] })],
    ['a session key', (id) => post(mallory, at(id, '/session-keys'), sent(id, requests[0]).key)],
    [
      'wraps',
      (id) => post(mallory, at(id, `/session-keys/${message.sessionKeyId}/wraps`), { wraps: [wrap] })
    ],
    ['a session key of it', (id) => mallory.raw('GET', at(id, `/session-keys/${message.key}`))]
  ]
  const never = randomUUID()
  await refuses(
    t,
    routes.flatMap(([what, request]): Case[] => [
      [`${what} in a stranger’s conversation`, absent, () => request(group)],
      [`${what} in a conversation that there is not`, absent, () => request(never)]
    ])
  )
  for (const [what, request] of routes) {
    const [there, not] = await Promise.all([request(group), request(never)])
    t.strictSame(said(there), said(not), `${what} tells nothing`)
    t.strictSame(Object.keys(there.headers), Object.keys(not.headers))
  }
})

t.test('A removed member reads only how the chain went until then, and changes nothing', async (t) => {
  const id = await found(alice, 'group', [bob, carol])
  const view = await readChain(carol, id)
  const late = await leaving(carol, id)
  const back = await chainRequest(carol, view, [['add', member('carol')]])
  expect(await change(alice, id, [['remove', ['member', 'carol']]]), 201)
  const chain = `/v1/conversations/${id}/chain`
  await refuses(t, [
    ...['', '/roster', '/members', '/session-keys', '/messages'].map((path): Case => [
      `GET ${path}`,
      absent,
      () => carol.raw('GET', `/v1/conversations/${id}${path}`)
    ]),
    ['leaving', absent, () => post(carol, chain, { statements: [late] })],
    ['adding themself again', absent, () => post(carol, chain, back)],
    ['a session key', absent, () => post(carol, `/v1/conversations/${id}/session-keys`, back.key)]
  ])
  const { head } = await readChain(alice, id)
  expect(await newKey(alice, id), 201)
  t.equal((await readChain(carol, id)).head, head)
})

t.test('A conversation has at most 1,024 members', async (t) => {
  const id = await found(alice, 'group', [bob])
  await target.services.db.execute(sql`
    with crowd as (
      insert into users (id, username, password_hash, chain_sequence, chain_head, root)
      select gen_random_uuid(), 'crowd' || n, '', 1, ${'0'.repeat(64)}, ${'0'.repeat(64)}
      from generate_series(1, 1022) n returning id
    )
    insert into memberships (conversation_id, user_id, joined_at, place, role, root, state_sequence, state_head,
                             state_root)
    select ${id}::uuid, id, (select last from log_head), 9, 'member', ${'0'.repeat(64)}, 1, ${'0'.repeat(64)},
      ${'0'.repeat(64)} from crowd`)
  const body = await chainRequest(alice, await readChain(alice, id), [['add', member('carol')]])
  await refuses(t, [
    ['one more', '409 too-many-members', () => post(alice, `/v1/conversations/${id}/chain`, body)]
  ])
})

t.test('An id in an address is a lower-case UUID', async (t) => {
  const ids = [
    group.toUpperCase(),
    group.slice(1),
    `${group}x`,
    `${group}%00`,
    `%7B${group}%7D`,
    '%25',
    '..%2f..%2fusers%2fme',
    "'%20or%201=1--",
    '00000000-0000-0000-0000-00000000000g',
    '%F0%9F%92%A9'
  ]
  await refuses(
    t,
    ids.flatMap((id) => [
      ...['', '/chain', '/messages', '/members', '/roster'].map((path): Case => [
        `GET /v1/conversations/${id}${path}`,
        invalid,
        () => alice.raw('GET', `/v1/conversations/${id}${path}`),
        /params\/id/
      ]),
      [
        `POST /v1/conversations/${id}/chain`,
        invalid,
        () => post(alice, `/v1/conversations/${id}/chain`, {}, { 'if-match': '"x"' })
      ] as const
    ])
  )
})

t.test('A group that was refused many changes takes them once they are valid', async (t) => {
  expect(await by(alice, ['add', member('carol')]), 201)
  expect(await newKey(carol, group), 201)
  expect(await leave(bob, group), 201)
  t.strictSame(target.log, [], 'and none of this was worth a warning in the log')
})
