import { eq, sql } from 'drizzle-orm'
import t from 'tap'
import { eraseAddresses, record, OPERATOR } from '../../../../src/server/access/audit.js'
import { audit } from '../../../../src/server/db/schema.js'
import { operatorOf, promote } from '../../../support/admin.js'
import { expect, problem } from '../../../support/interop/http.js'
import { user } from '../../../support/people.js'
import { startChat } from '../../../support/start-chat.js'

interface Row {
  id: number
  actorKind: string
  actor: string | null
  action: string
  subject: string | null
  address: string | null
  details: object | null
}
interface Verification {
  verified: number
  complete: boolean
  last: { id: number; hash: string }
  fault: { id: number; reason: string } | null
}

const chat = await startChat(t)
const { db } = chat.services
const call = operatorOf(chat)
const verify = async ({ id, hash }: { id?: number; hash?: string } = {}) => {
  const query = id === undefined ? '' : `?id=${id}&hash=${hash}`
  return expect(await call<Verification>('GET', `/audit/verification${query}`), 200).body
}
const list = async (query = '') => (await call<{ items: Row[] }>('GET', `/audit${query}`)).body.items

/** As somebody who is master of the database. */
async function pastTheTrigger(change: ReturnType<typeof sql>): Promise<void> {
  await db.execute(sql`alter table audit disable trigger user`)
  await db.execute(change)
  await db.execute(sql`alter table audit enable trigger user`)
}

t.test('The audit says who did what to whom, from where, and who looked at whose data', async (t) => {
  const [alice] = [await user(t, chat, 'alice'), await user(t, chat, 'bob')]
  await promote(chat, alice)
  expect(await alice.raw('GET', '/v1/admin/users/bob'), 200)
  expect(await alice.raw('GET', '/v1/admin/users/bob/sessions'), 200)
  expect(await alice.raw('PUT', '/v1/admin/users/bob/suspension'), 204)
  expect(await call('DELETE', '/users/bob/suspension'), 204)
  t.match(await list(), [
    { id: 4, actorKind: 'operator', actor: null, action: 'user.resume', subject: 'bob', address: null },
    {
      id: 3,
      actorKind: 'user',
      actor: 'alice',
      action: 'user.suspend',
      subject: 'bob',
      address: '127.0.0.1'
    },
    { id: 2, actor: 'alice', action: 'user.sessions', subject: 'bob' },
    { id: 1, actor: 'alice', action: 'user.show', subject: 'bob' }
  ])
  t.match(await list('?action=user.suspend&subject=bob&actor=alice'), [{ id: 3 }])
  t.strictSame(await list('?subject=alice'), [])
  const [newest] = await list('?limit=1')
  t.match(await list(`?limit=2&cursor=${newest!.id}`), [{ id: 3 }, { id: 2 }])
})

t.test('An act that fails leaves no row', async (t) => {
  const before = await list()
  t.equal(problem(await call('PUT', '/users/nobody/suspension')), 'user-not-found')
  t.strictSame(await list(), before)
})

t.test('Rows that are added at once have no gaps, and their hashes fit', async (t) => {
  const one = () => db.transaction((tx) => record(tx, OPERATOR, { action: 'test.act', subject: null }))
  await Promise.all(Array.from({ length: 20 }, one))
  t.match(await verify(), { verified: 24, complete: true, last: { id: 24 }, fault: null })
})

t.test('The database refuses to change a row, to delete one, and to empty the table', async (t) => {
  const says = /only grows/
  const failing = (statement: ReturnType<typeof sql>) =>
    db.execute(statement).then(
      () => 'done',
      (error: unknown) => String((error as { cause?: unknown }).cause ?? error)
    )
  t.match(await failing(sql`update audit set action = 'nothing' where id = 3`), says)
  t.match(await failing(sql`update audit set details = '{"a":1}' where id = 3`), says)
  t.match(await failing(sql`update audit set address = null where id = 3`), says)
  t.match(await failing(sql`delete from audit where id = 3`), says)
  t.match(await failing(sql`truncate audit`), says)
})

t.test('Addresses and details can be erased, and the rest still verifies', async (t) => {
  await db.execute(sql`update audit set details = null, details_salt = null where id = 2`)
  await eraseAddresses(db, 0)
  t.match(await list('?subject=bob'), [
    { address: null, details: {} },
    { address: null, details: {} },
    { address: null, details: null },
    { address: null }
  ])
  t.match(await verify(), { verified: 24, fault: null })
})

t.test('The verification names the first row that was changed or taken away', async (t) => {
  const kept = (await verify()).last
  await pastTheTrigger(sql`update audit set action = 'test.other' where id = 7 or id = 9`)
  t.match(await verify(), { verified: 6, fault: { id: 7, reason: 'changed' } })
  await pastTheTrigger(sql`delete from audit where id = 5`)
  t.match(await verify(), { verified: 4, fault: { id: 5, reason: 'missing' } })
  t.match(await verify({ id: 7, hash: kept.hash }), { fault: { id: 7, reason: 'changed' } })
  await pastTheTrigger(sql`delete from audit where id = 24`)
  t.match(await verify(kept), { verified: 0, fault: { id: 24, reason: 'missing' } })
  const [ten] = await db.select().from(audit).where(eq(audit.id, 10))
  const rest = await verify({ id: 10, hash: ten!.hash.toString('hex') })
  t.match(rest, { verified: 13, last: { id: 23 }, fault: null })
})
