import { eq } from 'drizzle-orm'
import t from 'tap'
import { sessions, users } from '../../../src/server/db/schema.js'
import { operatorOf, promote } from '../../support/admin.js'
import { areHeldUp, LockHolder } from '../../support/database-locks.js'
import { eventually } from '../../support/eventually.js'
import { expect, problem } from '../../support/interop/http.js'
import { user } from '../../support/people.js'
import { startPostgres } from '../../support/postgres.js'
import { startChat } from '../../support/start-chat.js'

const pg = await startPostgres(t)
if (pg !== undefined) {
  const chat = await startChat(t, { DATABASE_URL: pg.url, MAX_SESSIONS: '3' })
  const { db } = chat.services
  const call = operatorOf(chat)
  const [alice, bob, carol] = await Promise.all(['alice', 'bob', 'carol'].map((name) => user(t, chat, name)))
  for (const one of [alice!, bob!]) await promote(chat, one)

  t.test('Log-ins at the same moment leave no more sessions than MAX_SESSIONS', async (t) => {
    const body = { username: 'carol', password: carol!.password }
    const logIn = () => carol!.raw('POST', '/v1/auth/login', { body, token: null })
    for (let n = 0; n < 3; n++) expect(await logIn(), 200)
    const holder = await LockHolder.connect(t, pg.url)
    await holder.client.query('begin')
    await holder.client.query('select from log_head for update')
    const answers = Array.from({ length: 3 }, logIn)
    await areHeldUp(db, 3)
    await holder.client.query('commit')
    for (const answer of await Promise.all(answers)) expect(answer, 200)
    t.equal(await db.$count(sessions, eq(sessions.userId, carol!.userId)), 3)
  })

  t.test('Nobody keeps an admin from acting by a row that names an admin', async (t) => {
    const holder = await LockHolder.connect(t, pg.url)
    await holder.client.query('begin')
    await holder.client.query('insert into blocks (user_id, blocked_id) values ($1, $2)', [
      carol!.userId,
      alice!.userId
    ])
    expect(await call('PUT', '/users/bob/suspension'), 204)
    await holder.client.query('rollback')
    expect(await call('DELETE', '/users/bob/suspension'), 204)
  })

  t.test('Transactions that wait for each other all get through', async () => {
    let waiting = 2
    const lockBoth = (first: string, second: string) =>
      db.transaction(async (tx) => {
        const lock = (id: string) =>
          tx.select({ id: users.id }).from(users).where(eq(users.id, id)).for('no key update')
        await lock(first)
        waiting--
        await eventually(() => waiting <= 0, 'the other one has its first lock')
        await lock(second)
      })
    await Promise.all([lockBoth(alice!.userId, bob!.userId), lockBoth(bob!.userId, alice!.userId)])
  })

  t.test('An admin who is demoted at the same moment acts before it, or not at all', async (t) => {
    const holder = await LockHolder.connect(t, pg.url)
    await holder.client.query('begin')
    await holder.client.query('lock table audit in exclusive mode')
    const demoted = call('PUT', '/users/alice/role', { role: 'member' })
    await holder.holdsUp('audit')
    const body = { note: '', kind: 'member', role: 'admin', maxUses: 1, days: 7 }
    const invited = alice!.raw('POST', '/v1/admin/invites', { body })
    await areHeldUp(db, 2)
    await holder.client.query('commit')
    expect(await demoted, 204)
    t.equal(problem(await invited), 'server-admin-required')
  })
}
