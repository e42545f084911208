import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { Readers } from '../../../bench/load/readers.js'
import { makeWorld } from '../../../bench/world.js'
import { startTarget } from '../../support/bad-input.js'
import { creation, currentUser } from '../../support/chain-requests.js'
import { found, leave, newKey, post } from '../../support/conversations.js'
import { crowd } from '../../support/crowd.js'
import { eventually } from '../../support/eventually.js'
import { sha256Hex } from '../../support/interop/crypto.js'
import { expect } from '../../support/interop/http.js'
import { findPostgres } from '../../support/postgres.js'

const PEOPLE = 300
const GROUPS = 6
/** For each person: their memberships, devices, statements and keys. To compare all with all takes `PEOPLE` for each. */
const FOR_EACH = 30

/** A node of a plan that was run. Rows are those of one loop, on average; searches are those of all loops. */
interface Plan {
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  'Rows Removed by Join Filter'?: number
  'Index Searches'?: number
  Plans?: Plan[]
}
interface Explained {
  'Query Text': string
  Plan: Plan
}

/** The most rows that a node of a plan has looked at. */
function lookedAt(plan: Plan): number {
  const rows = ['Actual Rows', 'Rows Removed by Filter', 'Rows Removed by Join Filter'] as const
  const each = rows.reduce((sum, name) => sum + (plan[name] ?? 0), 0)
  const here = Math.max(each * plan['Actual Loops'], plan['Index Searches'] ?? 0)
  return Math.max(here, ...(plan.Plans ?? []).map(lookedAt))
}

const crowded = sql`username like 'crowd%'`
const hashOf = (text: string) => sql.raw(`encode(sha256(convert_to(${text}, 'UTF8')), 'hex')`)

const folder = mkdtempSync(join(tmpdir(), 'secure-chat-plans-'))
// PostgreSQL may run as another user.
chmodSync(folder, 0o777)
t.teardown(() => rmSync(folder, { recursive: true }))

/** What PostgreSQL says about each statement that it has run. */
function explained(): Explained[] {
  const text = readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n')
  return [...text.matchAll(/LOG: {2}duration: \S+ ms {2}plan:\n((?:\t.*\n)+)/g)].map(
    ([, json]) => JSON.parse(json!.replaceAll('\n\t', '\n')) as Explained
  )
}

async function start() {
  if ((process.env['TEST_DATABASE_URL'] ?? '') !== '')
    return 'the PostgreSQL of TEST_DATABASE_URL explains no statements'
  const explain = ['log_min_duration=0', 'log_analyze=on', 'log_timing=off', 'log_format=json']
  const log = [
    'logging_collector=on',
    `log_directory=${folder}`,
    'log_file_mode=0644',
    'log_min_messages=log'
  ]
  return findPostgres(t, {
    settings: [
      'shared_preload_libraries=auto_explain',
      ...explain.map((setting) => `auto_explain.${setting}`),
      ...log,
      // As in the first minute of a new database, and on one that was restored just now.
      'autovacuum=off'
    ]
  })
}

const postgres = await start()
if (typeof postgres === 'string') t.plan(0, postgres)
else
  t.test('No statement compares each of many people with each of them', async (t) => {
    const url = await postgres.newDatabase()
    const circles = Array.from({ length: PEOPLE / 10 }, (_, circle) =>
      Array.from({ length: 10 }, (_, n) => 10 * circle + n)
    )
    const { tokens } = await makeWorld({ DATABASE_URL: url }, PEOPLE, circles)
    const before = explained().length
    const target = await startTarget(t, { DATABASE_URL: url })
    const alice = await target.user('alice')
    const known = new Map(await crowd(target.services.db, PEOPLE))
    const everyone = [...known.keys()]
    /** As if the newest statement of each one's chain had this text. */
    const know = (sequence: number, end: string): void => {
      for (const name of everyone) Object.assign(known.get(name)!, { sequence, head: sha256Hex(name + end) })
    }
    known.set('alice', await currentUser(alice, 'alice'))

    for (let n = 0; n < GROUPS; n++) {
      const body = await creation(alice, 'group', everyone, { known })
      expect(await post(alice, '/v1/conversations', body), 201)
      expect(await newKey(alice, body.id, { known }), 201)
      for (const part of ['', '/members', '/roster', '/chain', '/session-keys', '/messages'])
        expect(await alice.raw('GET', `/v1/conversations/${body.id}${part}`), 200)
    }
    // Their chains move: by a device that is recent, so that the next key need not name it; then the one after it does.
    const { db } = target.services
    await db.execute(sql`update users set chain_head = ${hashOf('username')} where ${crowded}`)
    know(1, '')
    const moving = await creation(alice, 'group', everyone, { known })
    expect(await post(alice, '/v1/conversations', moving), 201)
    for (const [sequence, end] of [
      [1, ''],
      [2, '2']
    ] as const)
      await db.execute(sql`
insert into user_statements (user_id, sequence, kind, device_id, text, signatures)
select id, ${sequence}::int, 'device-add', gen_random_uuid(), username || ${end}::text, '{}' from users where ${crowded}`)
    await db.execute(sql`
update users set chain_sequence = 2, chain_head = ${hashOf("username || '2'")} where ${crowded}`)
    expect(await newKey(alice, moving.id, { known }), 201)
    know(2, '2')
    expect(await newKey(alice, moving.id, { known }), 201)

    const readers = new Readers()
    t.teardown(() => readers.close())
    await readers.open(Number(new URL(target.url).port), tokens, PEOPLE)
    expect(await alice.raw('GET', '/v1/conversations'), 200)
    expect(await alice.raw('GET', `/v1/presence?user=${everyone.slice(0, 100).join('&user=')}`), 200)
    expect(await alice.raw('GET', '/v1/users/me/export'), 200)
    await db.execute(sql`update users set role = 'admin' where username = 'alice'`)
    for (const what of ['users', 'stats', 'storage', 'audit', 'users/crowd0001', 'users/crowd0001/sessions'])
      expect(await alice.raw('GET', `/v1/admin/${what}`), 200)
    expect(await alice.raw('DELETE', '/v1/admin/users/crowd0001'), 204)
    expect(await alice.raw('PUT', '/v1/users/me/blocks/crowd0002'), 204)
    const phone = await target.device('alice', { password: alice.password })
    expect(await phone.login(false), 200)
    expect(await phone.addDevice(alice.keys), 201)
    expect(await alice.revoke(phone.deviceId), 200)
    expect(await leave(alice, await found(alice, 'group')), 201)

    const all = () => explained().slice(before)
    // Presence is told a moment after the streams are open.
    await eventually(() => all().some((one) => one['Query Text'].includes('as hidden')))
    const statements = all()
    for (const one of statements) {
      const rows = lookedAt(one.Plan)
      if (rows > PEOPLE * FOR_EACH) t.fail(`looks at ${rows} rows: ${one['Query Text']}`, one.Plan)
    }
    t.ok(statements.length > 100, `${statements.length} statements`)
  })
