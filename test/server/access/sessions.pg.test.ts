import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { cheapKeys } from '../../support/bad-input.js'
import { LockHolder } from '../../support/database-locks.js'
import { erase } from '../../support/erasure.js'
import { InteropClient } from '../../support/interop/client.js'
import { anotherSession, conversation, lastWord, user, sessionId } from '../../support/people.js'
import { startPostgres } from '../../support/postgres.js'
import { startServer } from '../../support/server-process.js'
import { expect, problem } from '../../support/interop/http.js'

/** A busy machine may hold up a process; polls are a minute apart here. */
const BUSY_MS = 4000

const postgres = await startPostgres(t)
if (postgres !== undefined) {
  const databaseUrl = await postgres.newDatabase()
  // Without polls only the notifier carries events between processes.
  const env = { SESSION_TIMEOUT: '5', POLL_INTERVAL: '60000' }
  const [here, there] = await Promise.all([
    startServer(t, { databaseUrl, env }),
    startServer(t, { databaseUrl, env })
  ])

  t.test('Ending a session on one process ends its streams on another within a second', async (t) => {
    const alice = await user(t, here, 'alice')
    const ways = [
      (of: typeof alice) => of.logout(),
      (of: typeof alice) => alice.raw('DELETE', `/v1/auth/sessions/${sessionId(of)}`),
      async (of: typeof alice) => {
        const used = of.refreshToken
        for (let i = 0; i < 2; i++) expect(await of.refresh(), 200)
        return of.refresh(used)
      }
    ]
    const end = async (way: (typeof ways)[number]) => {
      expect(await alice.refresh(), 200)
      const session = await anotherSession(t, alice)
      session.base = there.url
      const stream = await session.live()
      session.base = here.url
      const before = Date.now()
      expect(await way(session), 204, 401)
      t.equal(await lastWord(stream), 'revoked')
      const took = Date.now() - before
      session.base = there.url
      const answer = await session.raw('GET', '/v1/users/me')
      t.equal(`${answer.status} ${problem(answer)}`, '401 session-ended')
      return took
    }
    for (const way of ways) {
      // A busy machine may hold up one of them.
      const took = [await end(way), await end(way)]
      t.ok(Math.min(...took) < 1000, `took ${took.join(', ')} ms`)
    }
  })

  t.test(
    'A revoked device, a changed password and an erased account end streams on another process within a second',
    async (t) => {
      const dave = await user(t, here, 'dave')
      const phone = await InteropClient.create(here.url, 'dave', {
        keys: cheapKeys(),
        password: dave.password
      })
      t.teardown(() => phone.close())
      expect(await phone.login(false), 200)
      expect(await phone.addDevice(dave.keys), 201)
      const newPassword = 'a quite different pass phrase'
      const body = { currentPassword: dave.password, newPassword }
      const ways = [
        async () => ({ session: phone, end: () => dave.revoke(phone.deviceId) }),
        async () => ({
          session: await anotherSession(t, dave),
          end: () => dave.raw('POST', '/v1/auth/password', { body })
        }),
        async () => ({ session: dave, end: () => erase(dave, { password: newPassword }) })
      ]
      for (const way of ways) {
        const { session, end } = await way()
        session.base = there.url
        const stream = await session.live()
        session.base = here.url
        const before = Date.now()
        expect(await end(), 200, 204)
        t.equal(await lastWord(stream), 'revoked')
        t.ok(Date.now() - before < 1000 + BUSY_MS, `took ${Date.now() - before} ms`)
        session.base = there.url
        const answer = await session.raw('GET', '/v1/users/me')
        t.equal(`${answer.status} ${problem(answer)}`, '401 session-ended')
        session.base = here.url
      }
    }
  )

  t.test(
    'A session that is refreshed on one process continues on another, and so does its stream',
    async (t) => {
      const bob = await user(t, here, 'bob')
      bob.base = there.url
      const stream = await bob.live({ resume: false })
      const first = bob.accessToken!
      expect(await bob.raw('GET', '/v1/users/me'), 200)
      bob.base = here.url
      for (const until = Date.now() + 6200; Date.now() < until; await sleep(500))
        expect(await bob.refresh(), 200)
      bob.base = there.url
      expect(await bob.raw('GET', '/v1/users/me', { token: first }), 200)
      t.notOk(stream.ended)
      const id = await conversation(bob, [])
      await stream.waitFor(({ data }) => data['conversationId'] === id)
    }
  )

  t.test('A stream that opens while its session is being ended ends too', async (t) => {
    const databaseUrl = await postgres.newDatabase()
    const env = { POLL_INTERVAL: '60000', DATABASE_STATEMENT_TIMEOUT: '120' }
    const server = await startServer(t, { databaseUrl, env })
    const carol = await user(t, server, 'carol')
    const session = await anotherSession(t, carol)
    expect(await session.raw('GET', '/v1/users/me'), 200)
    const inserts = await LockHolder.connect(t, databaseUrl)
    const head = await LockHolder.connect(t, databaseUrl)
    // Logging out stops with the log's counter in hand, before its event; the stream has to wait for that
    // counter.
    await inserts.client.query('begin; lock table events in share mode')
    const ending = session.logout()
    await inserts.holdsUp()
    await head.client.query('begin')
    const locked = head.client.query('lock table log_head in access exclusive mode')
    await head.isHeldUp()
    const stream = session.events({ resume: false, patient: true })
    await head.holdsUp('as oldest')
    await inserts.client.query('commit')
    expect(await ending, 204)
    await locked
    await head.client.query('commit')
    await stream.over()
    t.ok(stream.status === 401 || stream.received.some(({ event }) => event === 'session.ended'))
  })
}
