import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { rows } from '../../../src/server/db/rows.js'
import { operatorOf } from '../../support/admin.js'
import { startTarget } from '../../support/bad-input.js'
import { filesWith } from '../../support/bytes-on-disk.js'
import { envelope, found, say } from '../../support/conversations.js'
import { EMBEDDED } from '../../support/database-for-tests.js'
import { expect } from '../../support/interop/http.js'

const target = await startTarget(t, EMBEDDED)
const { database, db, config } = target.services
const alice = await target.user('alice')
const bob = await target.user('bob')
const id = await found(alice, 'direct', [bob])
const size = async (table: string) => {
  const [found] = await rows<{ size: number }>(
    db,
    sql`select pg_total_relation_size(${table}::regclass)::float8 as size`
  )
  return found!.size
}

/** Messages that are as long as they may be. */
async function send(count: number): Promise<{ id: string; ciphertext: Buffer }[]> {
  const sent: { id: string; ciphertext: Buffer }[] = []
  for (let n = 0; n < count; n++) {
    const ciphertext = randomBytes(65_536)
    const message = { ...(await envelope(alice, id)), ciphertext: ciphertext.toString('base64') }
    expect(await say(alice, id, message), 201)
    sent.push({ id: message.id, ciphertext })
  }
  return sent
}

t.test('Later messages take the place of purged ones in the files of the embedded database', async (t) => {
  // A stretch that is stored in one piece.
  const inFiles = async (ciphertext: Buffer) => {
    await db.execute(sql`checkpoint`)
    const base = join(config.database.dataDir, 'pgdata', 'base')
    return filesWith(base, ciphertext.subarray(100, 164)).length > 0
  }
  const purged = await send(10)
  // After them, so that no file becomes shorter.
  await send(1)
  for (const message of purged) expect(await operatorOf(target)('DELETE', `/messages/${message.id}`), 204)
  await database.maintain()
  t.ok(await inFiles(purged[5]!.ciphertext), 'free space is not wiped, as the manual says')
  const before = await size('events')
  const later = await send(11)
  t.ok(await inFiles(later[5]!.ciphertext))
  for (const [n, { ciphertext }] of purged.entries()) t.notOk(await inFiles(ciphertext), `message ${n}`)
  const grown = (await size('events')) - before
  t.ok(grown < 200_000, `${grown} bytes more`)
})

t.test('Backups that are replaced again and again take no more space', async (t) => {
  let etag: string | undefined
  const replace = async () => {
    for (let n = 0; n < 4; n++) {
      const condition = etag === undefined ? { 'if-none-match': '*' } : { 'if-match': etag }
      const headers = { 'content-type': 'application/octet-stream', ...condition }
      const answer = await alice.raw('PUT', '/v1/users/me/key-backup', {
        body: randomBytes(300_000),
        headers
      })
      t.ok(answer.status < 300)
      etag = answer.headers.etag
    }
    await database.maintain()
    return size('key_backups')
  }
  const first = await replace()
  t.ok(first > 1_200_000)
  for (let round = 0; round < 2; round++) t.ok((await replace()) < first + 400_000)
})

t.test('The housekeeping of the embedded database leaves no table out', async (t) => {
  const old = await rows<{ name: string }>(
    db,
    sql`select relname as name from pg_stat_all_tables
      where schemaname = 'public' and last_vacuum is null order by 1`
  )
  t.strictSame(old, [])
})
