import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { eq, inArray } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { devices, sessions } from '../../../src/server/db/schema.js'
import { sweep } from '../../../src/server/db/sweep.js'
import { accessClaims } from '../../../src/server/access/tokens.js'
import { advanceClocks } from '../../support/clocks.js'
import { EMBEDDED } from '../../support/database-for-tests.js'
import { cheapKeys } from '../../support/bad-input.js'
import { eventually } from '../../support/eventually.js'
import { anotherSession, conversation, lastWord, user, sessionId } from '../../support/people.js'
import { startChat, type Chat } from '../../support/start-chat.js'
import { expect, problem } from '../../support/interop/http.js'
import { InteropClient } from '../../support/interop/client.js'

const me = (of: InteropClient, token = of.accessToken!) => of.raw('GET', '/v1/users/me', { token })

async function expiryOf({ services }: Chat, of: InteropClient): Promise<number> {
  const [row] = await services.db
    .select()
    .from(sessions)
    .where(eq(sessions.id, sessionId(of)))
  return row!.expiresAt.getTime()
}

async function isOver(t: Test, of: InteropClient): Promise<void> {
  for (const answer of [await me(of), await of.refresh()])
    t.equal(`${answer.status} ${problem(answer)}`, '401 session-ended')
}

t.test(
  'A session that is not refreshed within SESSION_TIMEOUT is over, and its stream says so',
  async (t) => {
    const lifetimes = { ACCESS_TOKEN_LIFETIME: '86400', STREAM_LIFETIME: '86400' }
    const chat = await startChat(t, { ...EMBEDDED, SESSION_TIMEOUT: '3600', ...lifetimes })
    const alice = await user(t, chat, 'alice')
    const bob = await user(t, chat, 'bob')
    const [left, kept] = await Promise.all([alice.live({ resume: false }), bob.live({ resume: false })])
    const firstToken = bob.accessToken!
    const [ofAlice, ofBob] = [await expiryOf(chat, alice), await expiryOf(chat, bob)]

    const ended = lastWord(left).then((reason) => ({ reason, at: Date.now() }))
    advanceClocks(t, 1_800_000)
    expect(await bob.refresh(), 200)
    advanceClocks(t, 1_798_000)
    const { reason, at } = await ended
    t.equal(reason, 'expired')
    t.ok(at >= ofAlice, 'not before its time')
    t.ok(at < ofAlice + 4000, 'the streams are looked through every second')
    await isOver(t, alice)

    t.ok((await expiryOf(chat, bob)) > ofBob + 1_000_000, 'refreshing has put off the end of the other')
    t.notOk(kept.ended, 'whose stream has gone on all the time')
    const id = await conversation(bob, [alice])
    await kept.waitFor(({ data }) => data['conversationId'] === id)
    expect(await me(bob, firstToken), 200)
  }
)

t.test('An access token that would outlive its session is told to end with it', async (t) => {
  const chat = await startChat(t, { ...EMBEDDED, ACCESS_TOKEN_LIFETIME: '900', SESSION_TIMEOUT: '60' })
  const alice = await user(t, chat, 'alice')
  for (const answer of [await alice.login(), await alice.refresh()])
    t.equal((answer.body as { expiresIn: number }).expiresIn, 60)
})

t.test('A session ends at once, and its streams and waiting polls with it', async (t) => {
  const chat = await startChat(t, EMBEDDED)
  const alice = await user(t, chat, 'alice')

  t.test('By logging out', async (t) => {
    const here = await anotherSession(t, alice)
    const streams = [await here.live(), await here.live()]
    const { body } = await here.poll('0')
    const waiting = here.poll(body.cursor, 45)
    await eventually(() => chat.services.hub.count === 3)
    expect(await here.logout(), 204)
    t.strictSame(await Promise.all(streams.map(lastWord)), ['revoked', 'revoked'])
    t.strictSame(expect(await waiting, 200).body, { items: [], cursor: body.cursor })
    await isOver(t, here)
  })

  t.test('By DELETE /v1/auth/sessions/{id} from another session, which continues', async (t) => {
    const lost = await anotherSession(t, alice)
    const [gone, stays] = [await lost.live(), await alice.live()]
    expect(await alice.raw('DELETE', `/v1/auth/sessions/${sessionId(lost)}`), 204)
    t.equal(await lastWord(gone), 'revoked')
    await isOver(t, lost)
    expect(await me(alice), 200)
    const again = await alice.raw('DELETE', `/v1/auth/sessions/${sessionId(lost)}`)
    t.equal(`${again.status} ${problem(again)}`, '404 session-not-found')
    t.notOk(stays.ended)
    stays.close()
  })

  t.test('By a refresh token that is used a second time', async (t) => {
    const stolen = await anotherSession(t, alice)
    const token = stolen.refreshToken!
    expect(await stolen.refresh(token), 200)
    const stream = await stolen.live()
    advanceClocks(t, 11_000)
    const again = await stolen.refresh(token)
    t.equal(`${again.status} ${problem(again)}`, '401 session-ended')
    t.equal(await lastWord(stream), 'revoked')
    await isOver(t, stolen)
  })
})

t.test('The expiry of an access token does not end the stream that it opened', async (t) => {
  const chat = await startChat(t, EMBEDDED)
  const alice = await user(t, chat, 'alice')
  const kept = alice.accessToken!
  const claims = accessClaims({ id: sessionId(alice), userId: alice.userId, deviceId: alice.deviceId })
  alice.accessToken = chat.app.jwt.sign(claims, { expiresIn: 60 })
  const stream = await alice.live({ resume: false })
  expect(await me(alice), 200)
  advanceClocks(t, 61_000)
  t.equal(problem(await me(alice)), 'token-expired')
  // Longer than it takes to look through the streams once.
  await sleep(1200)
  alice.accessToken = kept
  const id = await conversation(alice, [])
  await stream.waitFor(({ data }) => data['conversationId'] === id)
  t.equal(stream.connections, 1)
})

t.test(
  'The sweeper removes sessions that have run out and devices that nobody approved for a week',
  async (t) => {
    const chat = await startChat(t, EMBEDDED)
    const { db } = chat.services
    const alice = await user(t, chat, 'alice')
    const over = await anotherSession(t, alice)
    await db
      .update(sessions)
      .set({ expiresAt: new Date(Date.now() - 1000) })
      .where(eq(sessions.id, sessionId(over)))
    const pending: InteropClient[] = []
    for (const password of [alice.password, alice.password]) {
      const device = await InteropClient.create(chat.url, 'alice', { keys: cheapKeys(), password })
      t.teardown(() => device.close())
      expect(await device.login(false), 200)
      expect(await device.addDevice(), 202)
      pending.push(device)
    }
    const week = 7 * 86_400_000
    const asked = [Date.now() - week - 60_000, Date.now() - week + 60_000]
    for (const [i, { deviceId: id }] of pending.entries())
      await db
        .update(devices)
        .set({ createdAt: new Date(asked[i]!) })
        .where(eq(devices.id, id))
    const before = await db.select().from(sessions)

    await sweep(db)

    const after = (await db.select().from(sessions)).map(({ id }) => id)
    t.strictSame(
      before.map(({ id }) => id).filter((id) => !after.includes(id)),
      before.map(({ id }) => id).filter((id) => [over, pending[0]!].map(sessionId).includes(id)),
      'the session that had run out, and that of the device'
    )
    const asking = pending.map(({ deviceId }) => deviceId)
    const kept = await db.select().from(devices).where(inArray(devices.id, asking))
    t.strictSame(
      kept.map(({ id }) => id),
      asking.slice(1)
    )
  }
)

t.test('A log-in whose client has gone meanwhile is done, and its session has the address', async (t) => {
  const chat = await startChat(t, EMBEDDED)
  const alice = await user(t, chat, 'alice')
  const body = JSON.stringify({ username: 'alice', password: alice.password })
  const { port, host } = new URL(chat.url)
  const socket = connect(Number(port), '127.0.0.1')
  socket.write(
    `POST /v1/auth/login HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`
  )
  // The password takes longer than this.
  await once(chat.app.server, 'request')
  socket.destroy()
  const begun = () => chat.services.db.select({ address: sessions.address }).from(sessions)
  await eventually(async () => (await begun()).length === 2, 'the second session')
  t.strictSame(await begun(), [{ address: '127.0.0.1' }, { address: '127.0.0.1' }])
})
