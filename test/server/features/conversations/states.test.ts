import { eq, sql } from 'drizzle-orm'
import t from 'tap'
import { conversations, userStatements, users } from '../../../../src/server/db/schema.js'
import { cheapKeys, startTarget } from '../../../support/bad-input.js'
import {
  chainRequest,
  currentUser,
  readChain,
  type CurrentUser,
  type Liberties
} from '../../../support/chain-requests.js'
import {
  change,
  envelope,
  found,
  leave,
  member,
  newKey,
  post,
  say,
  show
} from '../../../support/conversations.js'
import { expect, problem, type RosterAnswer } from '../../../support/interop/http.js'
import { sha256Hex, type DeviceKeys } from '../../../support/interop/crypto.js'
import type { InteropClient } from '../../../support/interop/client.js'

const target = await startTarget(t)
const { db } = target.services
const [alice, bob] = [await target.user('alice'), await target.user('bob')]
const stale = '409 stale-roster'

/** A device that another one of its user has approved. */
async function anotherDevice(of: InteropClient, keys?: DeviceKeys): Promise<InteropClient> {
  const device = await target.device(of.username, { password: of.password, ...(keys && { keys }) })
  expect(await device.login(false), 200)
  expect(await device.addDevice(of.keys), 201)
  expect(await device.login(), 200)
  return device
}

/** As if the added devices of a user had come in earlier. */
async function age(username: string, minutes: number): Promise<void> {
  const by = sql`${minutes}::int * interval '1 minute'`
  const user = sql`(select ${users.id} from ${users} where ${users.username} = ${username})`
  await db
    .update(userStatements)
    .set({ createdAt: sql`${userStatements.createdAt} - ${by}` })
    .where(eq(userStatements.userId, user))
  await db.update(conversations).set({ outdatedAt: sql`${conversations.outdatedAt} - ${by}` })
}

const without = (name: string) => (all: CurrentUser[]) => all.filter(({ username }) => username !== name)
const replaced = (name: string, by: Partial<CurrentUser>) => (all: CurrentUser[]) =>
  all.map((user) => (user.username === name ? { ...user, ...by } : user))

t.test('The state of a key names where the members’ chains end today', async (t) => {
  const erin = await target.user('erin')
  const group = await found(alice, 'group', [erin])
  const before = await currentUser(alice, 'erin')
  expect(await erin.rekey(cheapKeys({ signing: erin.keys.signingPrivate })), 200)
  const now = await currentUser(alice, 'erin')
  t.equal((await show(alice, group)).rekeyRequired, true, 'a rekey outdates the key at once')
  t.equal(problem(await say(alice, group, await envelope(alice, group))), 'rekey-required')
  const { sequence, head } = now
  const state = [{ username: 'erin', sequence, head }]
  const make = (liberties: Liberties) => newKey(alice, group, liberties)
  await target.refuses(
    t,
    [
      ['the state before', stale, () => make({ users: replaced('erin', before) }), { state, missing: [] }],
      [
        'another head at this sequence',
        stale,
        () => make({ users: replaced('erin', { head: sha256Hex('x') }) }),
        { state }
      ],
      [
        'a state that is not there yet',
        stale,
        () => make({ users: replaced('erin', { sequence: 3 }) }),
        { state }
      ],
      [
        'a state that goes back',
        stale,
        () => make({ users: replaced('erin', { sequence: 1, head: before.head }) }),
        { state }
      ],
      [
        'a stranger’s state',
        '400 invalid-statement',
        async () => {
          const { sequence: n, head: of } = await currentUser(alice, 'bob')
          return make({ keyText: (text) => text.replace('\nroster', `\nstate bob ${n} ${of}\nroster`) })
        }
      ]
    ].map((one) => one as never)
  )
  expect(await make({}), 201)
  t.equal((await show(alice, group)).rekeyRequired, false)
  expect(await say(alice, group, await envelope(alice, group)), 201)
})

t.test('An added device makes keys out of date after five minutes', async (t) => {
  const frank = await target.user('frank')
  const group = await found(alice, 'group', [frank])
  const before = await currentUser(alice, 'frank')
  const phone = await anotherDevice(frank)
  t.equal((await show(alice, group)).rekeyRequired, false)
  expect(await say(alice, group, await envelope(alice, group)), 201)
  t.equal(problem(await say(phone, group, await envelope(phone, group))), 'not-in-roster')

  const older = await newKey(alice, group, { users: replaced('frank', before) })
  expect(older, 201)
  t.equal((await show(alice, group)).rekeyRequired, false, 'a new key may name the state before')
  await age('frank', 5)
  t.equal((await show(alice, group)).rekeyRequired, true)
  t.equal(problem(await say(alice, group, await envelope(alice, group))), 'rekey-required')
  await target.refuses(t, [
    [
      'the state before the device, which is no longer new',
      stale,
      () => newKey(alice, group, { users: replaced('frank', before) }),
      { missing: [phone.deviceId] }
    ]
  ])
  expect(await newKey(phone, group), 201)
  expect(await say(phone, group, await envelope(phone, group)), 201)
})

t.test('A new device may make a key at once, and no later key goes back', async (t) => {
  const gina = await target.user('gina')
  const group = await found(alice, 'group', [gina])
  const before = await currentUser(alice, 'gina')
  const phone = await anotherDevice(gina)
  expect(await newKey(phone, group), 201)
  expect(await say(phone, group, await envelope(phone, group)), 201)
  await target.refuses(t, [
    [
      'the state before the device',
      '400 invalid-statement',
      () => newKey(alice, group, { users: replaced('gina', before) }),
      /goes back/
    ]
  ])
  expect(await gina.revoke(phone.deviceId), 200)
  t.equal((await show(alice, group)).rekeyRequired, true, 'a revocation outdates the key at once')
  await target.refuses(t, [
    [
      'a state before the revocation',
      stale,
      async () => {
        const chain = await readChain(alice, group)
        return newKey(alice, group, { users: replaced('gina', chain.states.get('gina')!) })
      },
      { unexpected: [] }
    ]
  ])
})

t.test('A member under another root has no devices in the roster until they are renewed', async (t) => {
  const hugo = await target.user('hugo')
  const group = await found(alice, 'group', [bob, hugo])
  const hugo2 = await target.device('hugo', { password: hugo.password })
  expect(await hugo2.login(false), 200)
  expect(await hugo2.reset(), 201)
  const { body } = expect(await alice.raw<RosterAnswer>('GET', `/v1/conversations/${group}/roster`), 200)
  t.match(body.members, [{ username: 'alice' }, { username: 'bob' }, { username: 'hugo', devices: [] }])
  await target.refuses(t, [
    ['a key by the new device', '403 not-in-roster', () => newKey(hugo2, group)],
    ['leaving', '403 not-in-roster', () => leave(hugo2, group)],
    ['renewing oneself', '403 not-in-roster', async () => renew(hugo2)],
    ['renewing by a member', '403 not-admin', async () => renew(bob)],
    ['renewing a current member', '409 already-member', async () => renew(alice, 'bob')]
  ])
  async function renew(by: InteropClient, name = 'hugo') {
    return change(by, group, [['renew', await member(by, name)]])
  }
  expect(await newKey(alice, group), 201)
  expect(await renew(alice), 201)
  expect(await say(hugo2, group, await envelope(hugo2, group)), 201)
})

t.test('The chain of a removed member does not hold up the removal', async (t) => {
  const iris = await target.user('iris')
  const group = await found(alice, 'group', [bob, iris])
  expect(await iris.rekey(cheapKeys({ signing: iris.keys.signingPrivate })), 200)
  expect(await change(alice, group, [['remove', ['member', 'iris']]]), 201)
  const view = await readChain(alice, group)
  const body = await chainRequest(alice, view, [['add', await member(alice, 'iris')]], {
    users: without('iris')
  })
  await target.refuses(t, [
    [
      'adding without the state of the new member',
      '400 invalid-statement',
      () => post(alice, `/v1/conversations/${group}/chain`, body)
    ]
  ])
})
