import { get, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { eq, getTableName, is, sql } from 'drizzle-orm'
import { PgTable } from 'drizzle-orm/pg-core'
import t from 'tap'
import { sectionPages } from '../../../../src/server/features/users/export-pages.js'
import { SECTIONS } from '../../../../src/server/features/users/export-tables.js'
import * as schema from '../../../../src/server/db/schema.js'
import { eventually } from '../../../support/eventually.js'
import { expect, problem } from '../../../support/interop/http.js'
import type { InteropClient } from '../../../support/interop/client.js'
import { anotherSession, conversation, lastWord, user } from '../../../support/people.js'
import { startChat } from '../../../support/start-chat.js'

/** What an export has of each table; a reason in brackets where it has nothing. */
const OF_TABLE: Record<string, string> = {
  users: 'account',
  password_resets: 'password-reset',
  user_statements: 'statement',
  devices: 'device',
  bound_keys: 'bound-key',
  sessions: 'session',
  presence: 'presence',
  invites: 'invitation',
  invite_uses: 'invitation-used',
  blocks: 'block',
  key_backups: 'key-backup',
  memberships: 'membership',
  session_keys: 'session-key',
  session_key_wraps: 'wrap',
  added_wraps: 'added-wrap',
  audit: 'audit',
  events: 'event',
  event_recipients: 'event',
  conversations: 'membership',
  conversation_statements: 'event',
  notices: '(what the operator tells all users)',
  attempts: '(keys are MACs, and windows end soon)',
  log_head: '(one counter)',
  processes: '(processes of the server)',
  server_secrets: '(secrets of the server)',
  used_nonces: '(random bytes)'
}

interface Line {
  kind: string
  [field: string]: unknown
}

const chat = await startChat(t, { RATE_LIMIT: 'on', TRUST_PROXY: '127.0.0.1', EXPORTS_PER_DAY: '2' })
const { db } = chat.services

async function open(of: InteropClient): Promise<IncomingMessage> {
  const headers = { authorization: `Bearer ${of.accessToken}` }
  const [response] = (await once(get(`${chat.url}/v1/users/me/export`, { headers }), 'response')) as [
    IncomingMessage
  ]
  return response
}

async function exported(of: InteropClient): Promise<Line[]> {
  const response = await open(of)
  t.match(response.headers['content-type'], /^application\/x-ndjson/)
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk as string
  t.ok(text.endsWith('\n'))
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
}

async function busy(name: string, other: InteropClient | null): Promise<InteropClient> {
  const me = await user(t, chat, name)
  const expiresAt = new Date(Date.now() + 3_600_000)
  const [id, tokenHash] = [crypto.randomUUID(), Buffer.from(`token of ${name}`)]
  await db
    .insert(schema.invites)
    .values({ id, tokenHash, createdBy: me.userId, note: `note of ${name}`, maxUses: 2, expiresAt })
  await db.insert(schema.inviteUses).values({ inviteId: id, userId: me.userId })
  await db.insert(schema.passwordResets).values({ userId: me.userId, tokenHash, expiresAt })
  await db
    .insert(schema.keyBackups)
    .values({ userId: me.userId, blob: Buffer.from(`backup of ${name}`), etag: '"1"' })
  if (other === null) return me
  const group = await conversation(me, [other])
  expect(await me.send(group, { type: 'text', text: 'hello' }), 201)
  expect(await other.send(group, { type: 'text', text: 'hello, too' }), 201)
  await db.insert(schema.blocks).values([
    { userId: me.userId, blockedId: other.userId },
    { userId: other.userId, blockedId: me.userId, createdAt: new Date('2001-01-01') }
  ])
  await db.execute(sql`
    insert into added_wraps (session_key_id, device_id, added_by, wrapped_key, text, signatures)
    select session_key_id, device_id, device_id, wrapped_key, 'wrap', '{}' from session_key_wraps
    where device_id in (${me.deviceId}::uuid, ${other.deviceId}::uuid)`)
  const row = (n: number, actor: string, subject: string, address: string) => sql`
    insert into audit values (${n}, now(), 'user', ${actor}, 'test', ${subject}, ${`{"note":"${address}"}`}::json, '',
      '', ${address}, '', '', '')`
  await db.execute(row(1, me.userId, other.userId, 'address of me'))
  await db.execute(row(2, other.userId, me.userId, 'address of other'))
  return me
}

t.test('An export has something of each table that holds data of users', async (t) => {
  const bob = await busy('bobby', null)
  const alice = await busy('alice-wonder', bob)
  const other = await anotherSession(t, bob)
  expect(
    await other.raw('POST', '/v1/auth/login', {
      body: { username: 'bobby', password: bob.password },
      token: null,
      headers: { 'x-forwarded-for': '192.0.2.99' }
    }),
    200
  )
  const stream = await alice.live()
  await eventually(async () => (await db.select().from(schema.presence)).length > 0)
  const lines = await exported(alice)
  stream.close()
  const kinds = new Set(lines.map(({ kind }) => kind))
  for (const table of Object.values<unknown>(schema).filter((value): value is PgTable =>
    is(value, PgTable)
  )) {
    const name = getTableName(table)
    const kind = OF_TABLE[name] ?? 'none: say what an export has of this table'
    t.ok(kind.startsWith('(') || kinds.has(kind), `${name}: ${kind}`)
  }
  t.strictSame(lines.at(-1), { kind: 'end' })
  const of = (kind: string) => lines.filter((line) => line.kind === kind)
  t.match(of('account'), [{ username: 'alice-wonder' }])
  t.match(of('block'), [{ username: 'bobby' }])
  t.match(of('key-backup'), [{ blob: Buffer.from('backup of alice-wonder').toString('base64') }])
  t.match(of('audit'), [
    { byYou: true, details: null, address: 'address of me' },
    { byYou: false, details: { note: 'address of other' }, address: null }
  ])
  const messages = of('event').filter(({ event }) => event === 'message')
  t.strictSame(
    messages.map(({ data }) => (data as { sender: { username: string } }).sender.username),
    ['alice-wonder', 'bobby'],
    'all messages that the user may read'
  )
  const text = JSON.stringify(lines)
  for (const foreign of ['192.0.2.99', 'note of bobby', '2001-01-01', 'pbkdf2', 'backup of bobby'])
    t.notOk(text.includes(foreign) || text.includes(Buffer.from(foreign).toString('base64')), foreign)
})

t.test('A section of many pages ends, and has the same lines as one of a single page', async (t) => {
  const [{ userId }] = (await db
    .select({ userId: schema.users.id })
    .from(schema.users)
    .where(eq(schema.users.username, 'alice-wonder'))) as [{ userId: string }]
  const read = async (section: (typeof SECTIONS)[number], atOnce?: { places: number; rows: number }) => {
    const pages: string[][] = []
    for await (const page of sectionPages(db, section, userId, atOnce)) if (pages.push(page) > 100) break
    return { pages: pages.length, lines: pages.flat() }
  }
  for (const section of SECTIONS) {
    const whole = await read(section)
    const { length } = whole.lines
    t.ok(length === 0 || whole.pages === 1, section.kind)
    const pieces = await read(section, { places: 1, rows: 1 })
    t.strictSame(pieces, { pages: length, lines: whole.lines }, `${section.kind}: ${length} rows`)
    t.strictSame((await read(section, { places: 3, rows: 2 })).lines, whole.lines)
  }
})

t.test('An export ends, however fast others write meanwhile', async (t) => {
  const erin = await user(t, chat, 'erin')
  const { database } = chat.services
  const { prepared } = database
  t.teardown(() => Object.assign(database, { prepared }))
  let pages = 0
  // A full page more before each one that is read. A hundred of them are as good as no end.
  database.prepared = async (statement, values) => {
    if (statement.name === 'visible' && pages < 100) {
      pages++
      await db.execute(sql`
        with head as (update log_head set last = last + 200 returning last - 200 as before),
        event as (
          insert into events (position, type, data)
          select before + n, 'block.changed', '{"username":"late"}' from head, generate_series(1, 200) n
          returning position)
        insert into event_recipients select ${erin.userId}::uuid, position from event`)
    }
    return prepared(statement, values)
  }
  const lines = await exported(erin)
  t.strictSame(lines.at(-1), { kind: 'end' })
  t.ok(pages < 3, `${pages} pages`)
})

t.test('There are EXPORTS_PER_DAY of them, and a session without a device gets none', async (t) => {
  const carol = await user(t, chat, 'carol')
  const path = '/v1/users/me/export'
  for (let n = 0; n < 2; n++) t.equal((await exported(carol)).at(-1)?.kind, 'end')
  const third = await carol.raw('GET', path)
  t.equal(`${third.status} ${problem(third)}`, '429 too-many-requests')
  const wait = Number(third.headers['retry-after'])
  t.ok(wait > 86_000 && wait <= 86_400, `Retry-After: ${wait}`)
  expect(await carol.login(false), 200)
  const without = await carol.raw('GET', path)
  t.equal(`${without.status} ${problem(without)}`, '403 device-required')
})

t.test('A reader who stops holds up nobody, and gets no more after the session has ended', async (t) => {
  const dave = await user(t, chat, 'dave')
  // The sockets hold some megabytes of these 20.
  await db.execute(sql`
    insert into audit select n, now(), 'user', ${dave.userId}, 'test', null, to_json(repeat('x', 20000)), '', '', '', '', '', ''
    from generate_series(1000, 1999) n`)
  const session = await anotherSession(t, dave)
  const response = await open(session)
  response.pause()
  expect(await dave.raw('GET', '/v1/users/me'), 200)
  const stream = await session.live()
  expect(await session.logout(), 204)
  t.equal(await lastWord(stream), 'revoked')
  let size = 0
  const end = await (async () => {
    for await (const chunk of response) size += (chunk as Buffer).length
    return 'complete'
  })().catch(() => 'cut off')
  t.equal(end, 'cut off')
  t.ok(size < 18_000_000, `${size} bytes`)
})
