import { eq, sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { devices, usedNonces } from '../../../../src/server/db/schema.js'
import { sweep } from '../../../../src/server/db/sweep.js'
import { cheapKeys } from '../../../support/bad-input.js'
import { advanceClocks } from '../../../support/clocks.js'
import { loginText } from '../../../support/interop/chains.js'
import { sign } from '../../../support/interop/crypto.js'
import { expect, problem, type Answer } from '../../../support/interop/http.js'
import { InteropClient } from '../../../support/interop/client.js'
import { anotherSession, sessionId, user } from '../../../support/people.js'
import { startChat } from '../../../support/start-chat.js'

const lines: string[] = []
const chat = await startChat(t, { LOG_LEVEL: 'info' }, { write: (line) => lines.push(line) })

/** The reasons that the log has given since the last call. */
const logged = () =>
  lines
    .splice(0)
    .flatMap((line) => (/"address":"127.*"reason":"([a-z-]+)".*log-in failed/.exec(line) ?? [])[1] ?? [])

interface SessionItem {
  readonly id: string
  readonly method: string
  readonly current: boolean
}

async function methods(of: InteropClient): Promise<string[]> {
  const { body } = expect(await of.raw<{ items: SessionItem[] }>('GET', '/v1/auth/sessions'), 200)
  return body.items.map(({ method, current }) => `${method}${current ? ' (this)' : ''}`)
}

const shown = (answer: Answer<unknown>) => {
  const { instance, ...rest } = answer.body as Record<string, unknown>
  return JSON.stringify([answer.status, rest, typeof instance])
}

function isRefused(t: Test, answer: Answer<unknown>, why: string): void {
  t.equal(`${answer.status} ${problem(answer)}`, '401 invalid-credentials', why)
}

t.test('A device signs in with its key, and its sessions say how each was begun', async (t) => {
  const alice = await user(t, chat, 'alice')
  const { body } = expect(await alice.signInWithKey(), 200)
  t.match(body, { user: { username: 'alice' }, device: { id: alice.deviceId, status: 'active' } })
  t.strictSame(await methods(alice), ['device (this)', 'password'])
  expect(await alice.refresh(), 200)
  t.strictSame(await methods(alice), ['device (this)', 'password'])
})

t.test('A nonce counts once, for one device, and for a minute', async (t) => {
  const [bob, carol] = [await user(t, chat, 'bob'), await user(t, chat, 'carol')]
  logged()
  const nonce = await bob.challenge()
  const both = await Promise.all([bob.signInWithKey(nonce), bob.signInWithKey(nonce)])
  t.strictSame(both.map(({ status }) => status).sort(), [200, 401])
  isRefused(t, await bob.signInWithKey(nonce), 'used')
  t.strictSame(logged(), ['used-nonce', 'used-nonce'])
  isRefused(t, await bob.signInWithKey(await bob.challenge(carol.deviceId)), 'of another device')
  isRefused(t, await bob.signInWithKey(`A${nonce.slice(1)}`), 'made up')
  const old = await bob.challenge()
  advanceClocks(t, 61_000)
  isRefused(t, await bob.signInWithKey(old), 'too old')
  expect(await bob.signInWithKey(), 200)
  const { db } = chat.services
  await db.update(usedNonces).set({ expiresAt: sql`now() - interval '1 second'` })
  await sweep(db)
  t.equal(await db.$count(usedNonces), 0)
})

t.test('Unknown, pending, revoked and logged out devices and wrong signatures get one answer', async (t) => {
  const dave = await user(t, chat, 'dave')
  const stranger = await user(t, chat, 'stranger')
  const nonce = await dave.challenge()
  const wrong = [
    [
      'another key',
      sign(stranger.keys, loginText(chat.url, 'dave', dave.deviceId, nonce, dave.keys.signingFp))
    ],
    ['another server', dave.signed(nonce, 'https://evil.example')],
    ['another nonce', dave.signed(await dave.challenge())],
    ['another text', sign(dave.keys, 'secure-chat/v1 device-add\n')]
  ] as const
  logged()
  const answers = new Set<string>()
  for (const [why, signature] of wrong) {
    const answer = await dave.signInWithKey(nonce, signature)
    isRefused(t, answer, why)
    answers.add(shown(answer))
  }
  t.strictSame(
    logged(),
    wrong.map(() => 'wrong-signature')
  )
  expect(await dave.signInWithKey(nonce), 200)

  const gone = async (why: string, of: InteropClient) => {
    const answer = await of.signInWithKey()
    isRefused(t, answer, why)
    answers.add(shown(answer))
  }
  const unknown = await anotherSession(t, dave)
  ;(unknown as { deviceId: string }).deviceId = '0198c6f2-7b1e-7c55-9d2a-3f1f0c5a9e01'
  await gone('unknown', unknown)
  const tablet = await secondDevice(t, dave)
  await gone('pending', tablet)
  expect(await dave.approve(await asked(tablet)), 200)
  expect(await tablet.signInWithKey(), 200)
  expect(await dave.revoke(tablet.deviceId), 200)
  await gone('revoked', tablet)
  expect(await dave.logout(), 204)
  await gone('logged out', dave)
  const backup = await user(t, chat, 'backup')
  const { db } = chat.services
  await db.update(devices).set({ purpose: 'recovery' }).where(eq(devices.id, backup.deviceId))
  await gone('a key backup', backup)
  t.strictSame(logged(), Array(5).fill('unknown-device'))
  t.equal(answers.size, 1)
})

t.test(
  'After a log-out a device needs the password, and so after another device ended its session',
  async (t) => {
    const erin = await user(t, chat, 'erin')
    expect(await erin.logout(), 204)
    isRefused(t, await erin.signInWithKey(), 'logged out')
    expect(await erin.login(), 200)
    expect(await erin.signInWithKey(), 200)

    const old = await anotherSession(t, erin)
    expect(await erin.raw('DELETE', `/v1/auth/sessions/${sessionId(old)}`), 204)
    expect(await erin.signInWithKey(), 200)

    const tablet = await secondDevice(t, erin)
    expect(await erin.approve(await asked(tablet)), 200)
    expect(await erin.raw('DELETE', `/v1/auth/sessions/${sessionId(tablet)}`), 204)
    isRefused(t, await tablet.signInWithKey(), 'ended by another device')
    expect(await erin.signInWithKey(), 200)
  }
)

t.test('A device that was not seen for DEVICE_LOGIN_IDLE days needs the password', async (t) => {
  const frank = await user(t, chat, 'frank')
  const unseenFor = (days: number) =>
    chat.services.db.update(devices).set({ seenAt: sql`now() - ${days} * interval '1 day'` })
  await unseenFor(89.9)
  expect(await frank.signInWithKey(), 200)
  await unseenFor(91)
  isRefused(t, await frank.signInWithKey(), 'too long')
  expect(await frank.refresh(), 200)
  expect(await frank.signInWithKey(), 200)
})

t.test('With PUBLIC_URL set, only a signature for that server counts', async (t) => {
  const known = await startChat(t, { PUBLIC_URL: 'https://chat.example.org' })
  const grace = await user(t, known, 'grace')
  isRefused(t, await grace.signInWithKey(), 'for the address that the request names')
  const nonce = await grace.challenge()
  expect(await grace.signInWithKey(nonce, grace.signed(nonce, 'https://chat.example.org')), 200)
})

t.test('Without PUBLIC_URL a proxy may have taken off TLS', async (t) => {
  const henry = await user(t, chat, 'henry')
  const nonce = await henry.challenge()
  const origin = chat.url.replace('http:', 'https:')
  expect(await henry.signInWithKey(nonce, henry.signed(nonce, origin)), 200)
})

t.test('DEVICE_LOGIN=off lets in nobody without a password', async (t) => {
  const off = await startChat(t, { DEVICE_LOGIN: 'off' })
  const ivan = await user(t, off, 'ivan')
  const nonce = await (await user(t, chat, 'ivan')).challenge()
  for (const answer of [
    await ivan.raw('POST', '/v1/auth/challenges', { body: { deviceId: ivan.deviceId } }),
    await ivan.signInWithKey(nonce)
  ])
    t.equal(`${answer.status} ${problem(answer)}`, '403 forbidden')
})

t.test('A device signs in 30 times an hour, and nobody else uses that up', async (t) => {
  const limited = await startChat(t, { RATE_LIMIT: 'on', RATE_LIMIT_AUTH: '10000' })
  const judy = await user(t, limited, 'judy')
  for (let i = 0; i < 31; i++)
    isRefused(t, await judy.signInWithKey(await judy.challenge(), sign(cheapKeys(), 'x')), 'by somebody else')
  for (let i = 0; i < 30; i++) expect(await judy.signInWithKey(), 200)
  const late = await judy.signInWithKey()
  t.equal(`${late.status} ${problem(late)}`, '429 too-many-requests')
  t.ok(Number(late.headers['retry-after']) > 3000)
})

t.test('Challenges and sign-ins count as log-ins of a network', async (t) => {
  const limited = await startChat(t, { RATE_LIMIT: 'on', RATE_LIMIT_AUTH: '4' })
  const kate = await user(t, limited, 'kate')
  expect(await kate.signInWithKey(), 200)
  await kate.challenge()
  const late = await kate.raw('POST', '/v1/auth/challenges', { body: { deviceId: kate.deviceId } })
  t.equal(`${late.status} ${problem(late)}`, '429 too-many-requests')
})

/** A second device of a user, which waits. */
async function secondDevice(t: Test, of: InteropClient): Promise<InteropClient> {
  const keys = cheapKeys()
  const device = await InteropClient.create(chat.url, of.username, { keys, password: of.password })
  t.teardown(() => device.close())
  expect(await device.login(false), 200)
  expect(await device.addDevice(), 202)
  return device
}

/** What a waiting device wants signed. */
async function asked({ deviceId }: InteropClient) {
  const [row] = await chat.services.db.select().from(devices).where(eq(devices.id, deviceId))
  return row!.request!
}
