import { getTableName, is, sql } from 'drizzle-orm'
import { PgTable } from 'drizzle-orm/pg-core'
import t from 'tap'
import { eraseUser } from '../../../../src/server/access/erasure.js'
import { rows } from '../../../../src/server/db/rows.js'
import * as schema from '../../../../src/server/db/schema.js'
import { appendEvents, transaction } from '../../../../src/server/log/append-events.js'
import { erase } from '../../../support/erasure.js'
import { eventually } from '../../../support/eventually.js'
import { expect } from '../../../support/interop/http.js'
import { InteropClient } from '../../../support/interop/client.js'
import { cheapKeys } from '../../../support/bad-input.js'
import { conversation, sessionId, user } from '../../../support/people.js'
import { startChat, type Chat } from '../../../support/start-chat.js'

type Needle = 'id' | 'name' | 'device' | 'session' | 'address' | 'label' | 'secret'

/** What stays in a table after an erasure, and why. All other tables are clean. */
const KEPT: Record<string, [reason: string, ...stays: Needle[]]> = {
  users: ['nobody gets the name again', 'id', 'name'],
  user_statements: ['others verify the chain', 'id', 'name', 'device'],
  devices: ['others verify with the public keys', 'id', 'device'],
  bound_keys: ['no public key is bound twice', 'device'],
  memberships: ['the chain of a conversation of others names the member', 'id'],
  conversations: ['the direct conversation of another user', 'id'],
  conversation_statements: ['the chain of a conversation of others', 'name'],
  session_keys: ['the chain of a conversation of others names the maker', 'id'],
  events: [
    'messages and chains in conversations of others; ids of ended sessions',
    'id',
    'name',
    'device',
    'session'
  ],
  audit: ['that something was done, but not what and from where', 'id']
}

/** Tables that hold nothing of a user under a name that could be searched for. */
const NOTHING: Record<string, string> = {
  attempts: 'keys are MACs, and a window ends within a day',
  log_head: 'one counter',
  notices: 'what the operator tells all users',
  processes: 'processes of the server',
  server_secrets: 'secrets of the server',
  used_nonces: 'random bytes'
}

const tables = Object.values<unknown>(schema)
  .filter((value): value is PgTable => is(value, PgTable))
  .map(getTableName)

const ADDRESS = '192.0.2.77'
const from = { headers: { 'x-forwarded-for': ADDRESS } }

/** Which needles are in which table. */
async function found({ services: { db } }: Chat, needles: Record<Needle, readonly string[]>) {
  const hits: Record<string, Needle[]> = {}
  for (const table of tables) {
    const texts = await rows<{ text: string }>(
      db,
      sql`select t::text as text from ${sql.identifier(table)} t`
    )
    hits[table] = Object.entries(needles)
      .filter(([, values]) => values.some((value) => texts.some(({ text }) => text.includes(value))))
      .map(([needle]) => needle as Needle)
  }
  return hits
}

/** Somebody who has left something in each table. */
async function busyUser(chat: Chat, name: string, other: InteropClient) {
  const { db } = chat.services
  const me = await user(t, chat, name)
  expect(
    await me.raw('POST', '/v1/auth/login', {
      body: { username: name, password: me.password },
      token: null,
      ...from
    }),
    200
  )
  const pending = await InteropClient.create(chat.url, name, { keys: cheapKeys(), password: me.password })
  t.teardown(() => pending.close())
  expect(await pending.login(false), 200)
  expect(await pending.addDevice(), 202)
  const group = await conversation(other, [me])
  await conversation(me, [other], 'direct')
  const self = await me.createConversation('self', [])
  expect(await me.send(group, { type: 'text', text: 'for all' }), 201)
  expect(await me.send(self.id, { type: 'text', text: 'for me' }), 201)
  const left = await conversation(other, [me])
  expect(await me.leave(left), 201)
  const backup = { body: Buffer.from(`sealed keys of ${name}`), headers: { 'if-none-match': '*' } }
  await db.insert(schema.keyBackups).values({ userId: me.userId, blob: backup.body, etag: '"1"' })
  const expiresAt = new Date(Date.now() + 3_600_000)
  const invite = { createdBy: me.userId, note: `note of ${name}`, maxUses: 2, expiresAt }
  const id = crypto.randomUUID()
  await db.insert(schema.invites).values({ id, tokenHash: Buffer.from(name), ...invite })
  await db.insert(schema.inviteUses).values({ inviteId: id, userId: me.userId })
  expect(await me.raw('PUT', `/v1/users/me/blocks/${other.username}`), 204)
  await db.insert(schema.blocks).values({ userId: other.userId, blockedId: me.userId })
  await db
    .insert(schema.passwordResets)
    .values({ userId: me.userId, tokenHash: Buffer.from(name), expiresAt })
  const [signed] = await rows<{ key: string }>(
    db,
    sql`
    select session_key_id as key from session_key_wraps where device_id = ${me.deviceId}::uuid limit 1`
  )
  const wrap = {
    deviceId: me.deviceId,
    addedBy: me.deviceId,
    wrappedKey: Buffer.from('wrap'),
    text: '',
    signatures: {}
  }
  await db.insert(schema.addedWraps).values({ sessionKeyId: signed!.key, ...wrap })
  const [hash, salt] = [Buffer.from('hash'), Buffer.from('salt')]
  const hashes = { detailsHash: hash, detailsSalt: salt, addressHash: hash, addressSalt: salt, hash }
  const last = await db.select().from(schema.audit)
  await db.insert(schema.audit).values({
    ...hashes,
    id: last.length + 1,
    at: new Date(),
    actorKind: 'user',
    actor: me.userId,
    action: 'test',
    details: { note: `note of ${name}` },
    address: ADDRESS
  })
  const stream = await me.live()
  await eventually(async () =>
    (await db.select().from(schema.presence)).some((row) => row.userId === me.userId)
  )
  const sent = await rows<{ text: string }>(
    db,
    sql`
    select substr(encode(ciphertext, 'hex'), 1, 40) as text from events where conversation_id = ${self.id}::uuid and ciphertext is not null`
  )
  const needles = {
    id: [me.userId],
    name: [name],
    device: [me.deviceId, pending.deviceId],
    session: [sessionId(me), sessionId(pending)],
    address: [ADDRESS],
    label: [pending.deviceId, `note of ${name}`],
    secret: [Buffer.from(`sealed keys of ${name}`).toString('hex'), self.id, ...sent.map(({ text }) => text)]
  }
  return { me, stream, needles }
}

function expected(): Record<string, Needle[]> {
  return Object.fromEntries(tables.map((table) => [table, (KEPT[table]?.slice(1) ?? []) as Needle[]]))
}

t.test(
  'Every table of the schema is clean after an erasure, or it is listed what stays, and why',
  async (t) => {
    const chat = await startChat(t, { TRUST_PROXY: '127.0.0.1' })
    const { db, erasedRows } = chat.services
    const bob = await user(t, chat, 'bobby')

    for (const name of ['alice-wonder', 'carol-wonder']) {
      const { me, stream, needles } = await busyUser(chat, name, bob)
      const before = await found(chat, needles)
      for (const table of tables)
        if (!(table in NOTHING)) t.ok(before[table]!.length > 0, `${table} holds something of ${name}`)

      if (name === 'alice-wonder') expect(await erase(me), 204)
      else
        await transaction(
          chat.services,
          async (tx) => void (await appendEvents(tx, await eraseUser(tx, me.userId)))
        )
      await stream.over()
      // Others are told that the user is offline; then the row goes.
      await eventually(async () =>
        (await db.select().from(schema.presence)).every((row) => row.userId !== me.userId || !row.online)
      )
      await db.execute(
        sql`update users set erased_at = now() - interval '2 minutes' where id = ${me.userId}::uuid`
      )
      await erasedRows.sweep()
      const told = await rows(db, sql`select from events where type = 'block.changed'`)
      t.equal(told.length, 0, 'what only the user was told is erased')
      const after = await found(chat, needles)
      for (const table of tables) {
        const extra = after[table]!.filter((needle) => !expected()[table]!.includes(needle))
        t.strictSame(extra, [], `${table} keeps no more of ${name} than it says`)
      }
    }
  }
)
