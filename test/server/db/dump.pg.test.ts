import { createHash } from 'node:crypto'
import { sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import type { ChatClient } from '../../../src/client/client.js'
import type { ChatClientOptions } from '../../../src/client/options.js'
import { rows } from '../../../src/server/db/rows.js'
import { holds } from '../../support/bytes-on-disk.js'
import { client, failure, link, Listener, PASSWORD, registered } from '../../support/chat-clients.js'
import { EMBEDDED } from '../../support/database-for-tests.js'
import { startPostgres } from '../../support/postgres.js'
import { operatorOf } from '../../support/admin.js'
import { startChat, type Chat } from '../../support/start-chat.js'

/** A `fetch` that keeps the tokens that its client is given. */
function keepsTokens() {
  const given = { access: new Set<string>(), refresh: new Set<string>() }
  const keep: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init)
    if (answer.headers.get('content-type')?.includes('json') === true) {
      const body = (await answer.clone().json()) as { accessToken?: string; refreshToken?: string }
      if (body.accessToken !== undefined) given.access.add(body.accessToken)
      if (body.refreshToken !== undefined) given.refresh.add(body.refreshToken)
    }
    return answer
  }
  return { given, fetch: keep }
}

/** What a token, or the part of it that nobody can guess, could be stored as. */
function traces(given: ReturnType<typeof keepsTokens>['given']): (Uint8Array | string)[] {
  const secrets: (Uint8Array | string)[] = []
  for (const token of given.access) {
    const [, claims = '', signature = ''] = token.split('.')
    const { jti } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { jti: string }
    secrets.push(token, claims, jti, signature, Buffer.from(signature, 'base64url'))
  }
  for (const token of given.refresh) {
    const bytes = Buffer.from(token, 'base64url')
    secrets.push(token, bytes, bytes.subarray(-32))
  }
  return secrets.flatMap((secret) => [secret, createHash('sha256').update(secret).digest()])
}

/** Every row of every table as text, and the bytes of its `bytea` columns behind it, as latin1. */
async function dump({ services: { db } }: Chat): Promise<{ text: string; tables: Map<string, number> }> {
  const tables = await rows<{ name: string }>(
    db,
    sql`select format('%I.%I', table_schema, table_name) as name from information_schema.tables
      where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`
  )
  const lines: string[] = []
  const counts = new Map<string, number>()
  for (const { name } of tables) {
    const found = await rows<{ line: string }>(db, sql.raw(`select one::text as line from ${name} one`))
    counts.set(name, found.length)
    for (const { line } of found) {
      lines.push(line)
      for (const [, hex] of line.matchAll(/\\x([0-9a-f]+)/g))
        lines.push(Buffer.from(hex!, 'hex').toString('latin1'))
    }
  }
  return { text: lines.join('\n'), tables: counts }
}

/** An account with two devices, a backup, sessions that go on, and one that has ended. */
async function livesHere(t: Test, url: string, options: Partial<ChatClientOptions>): Promise<ChatClient> {
  let now = Date.now()
  const alice = await registered(t, url, 'alice', { ...options, now: () => now })
  await new Listener(t, alice).first('connected')
  const phone = await client(t, url, options)
  await link(alice, phone, 'alice-on-the-phone')
  await registered(t, url, 'bob', options)
  await alice.send({ username: 'bob' }, 'hello')
  const { recoveryCode } = await alice.backup.create()
  now += 3600_000
  await alice.sessions.list()
  now += 3600_000
  await alice.send({ username: 'bob' }, 'after two refreshes')
  const restored = await client(t, url, options)
  await restored.restore({ username: 'alice', password: PASSWORD, code: recoveryCode! })
  await failure((await client(t, url, options)).login({ username: 'alice', password: 'not this one at all' }))
  await phone.logout()
  return alice
}

const postgres = await startPostgres(t)
const databases = [
  // One process counts attempts in memory, and keeps the server's secret in a file.
  { kind: 'embedded', env: EMBEDDED, empty: ['public.attempts', 'public.server_secrets'] },
  ...(postgres === undefined
    ? []
    : [{ kind: 'PostgreSQL', env: { DATABASE_URL: await postgres.newDatabase() }, empty: [] }])
]
for (const { kind, env, empty } of databases)
  t.test(`A dump of the database (${kind}) shows no token, whole, in part or hashed`, async (t) => {
    const chat = await startChat(t, { RATE_LIMIT: 'on', ...env })
    const { given, fetch } = keepsTokens()
    const alice = await livesHere(t, chat.url, { fetch })
    t.ok(given.access.size >= 6 && given.refresh.size >= 6, 'each session and each refresh brings two tokens')
    const { body } = await (await chat.user('carol')).signInWithKey()
    given.access.add(body.accessToken)
    given.refresh.add(body.refreshToken)
    const reset = await operatorOf(chat)<{ token: string }>('POST', '/users/bob/password-reset')
    const { link: invitation } = await alice.invitations.create()
    await (
      await client(t, chat.url, { fetch })
    ).register({ username: 'dora', password: PASSWORD, invite: invitation })
    await alice.contacts.block('bob')
    await operatorOf(chat)('PUT', '/notice', { text: 'Down for an hour at noon' })
    await chat.services.attempts.exchange()

    const { text, tables } = await dump(chat)
    const unused = [...tables].filter(([, count]) => count === 0).map(([name]) => name)
    t.strictSame(unused.sort(), empty, 'each table is in use')
    t.strictSame(
      traces(given).filter((secret) => holds(secret)(text)),
      []
    )
    const [token, , , secret] = invitation.split('/').slice(-4)
    t.strictSame(
      [reset.body.token, token!, secret!].filter(
        (one) => holds(one)(text) || holds(Buffer.from(one, 'base64url'))(text)
      ),
      [],
      'links are kept as hashes, or not at all'
    )
    const [session] = await alice.sessions.list()
    t.ok(holds(session!.id)(text), 'the search finds what is there')
    t.ok(holds('alice-on-the-phone')(text))
  })
