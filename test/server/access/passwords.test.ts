import { pbkdf2Sync } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { eq } from 'drizzle-orm'
import t from 'tap'
import { users } from '../../../src/server/db/schema.js'
import { createPasswords } from '../../../src/server/access/passwords.js'
import { emptyDataDir } from '../../support/empty-database.js'
import { user } from '../../support/people.js'
import { QUICK, startServer } from '../../support/server-process.js'
import { startChat } from '../../support/start-chat.js'
import { call, expect, newAgent, problem } from '../../support/interop/http.js'
import { wycheproof } from '../../support/vectors.js'

interface Group {
  tests: { tcId: number; password: string; salt: string; iterationCount: number; dkLen: number; dk: string }[]
}

const at = (sorted: number[], part: number) => sorted[Math.floor((sorted.length - 1) * part)]!
const ascending = (values: number[]) => [...values].sort((a, b) => a - b)
const login = (username: string, password: string) => ({
  method: 'POST',
  path: '/v1/auth/login',
  body: { username, password }
})

t.test('Passwords are hashed as RFC 8018 says: Wycheproof’s vectors for PBKDF2-HMAC-SHA-256', async (t) => {
  const passwords = createPasswords({ iterations: 100_000, maxQueued: 1 })
  const verify = (password: string, stored: string) =>
    passwords.inLine((hashing) => hashing.verify(password, stored))
  const phc = (rounds: number, ...parts: Buffer[]) =>
    [
      '',
      'pbkdf2-sha256',
      `i=${rounds}`,
      ...parts.map((part) => part.toString('base64').replace(/=+$/, ''))
    ].join('$')
  const wrong: number[] = []
  for (const { tests } of wycheproof<Group>('pbkdf2_hmacsha256_test'))
    for (const test of tests) {
      // The server normalises passwords before it hashes them.
      if (
        test.password !==
        Buffer.from(Buffer.from(test.password, 'hex').toString().normalize('NFKC')).toString('hex')
      )
        continue
      const [password, salt, key] = [test.password, test.salt, test.dk].map((hex) => Buffer.from(hex, 'hex'))
      const derived = pbkdf2Sync(password!, salt!, test.iterationCount, test.dkLen, 'sha256')
      const hash = Buffer.from(key!.subarray(0, 32))
      const good = await verify(password!.toString(), phc(test.iterationCount, salt!, hash))
      hash[31]! ^= 1
      const bad = await verify(password!.toString(), phc(test.iterationCount, salt!, hash))
      if (!derived.equals(key!) || !good.ok || bad.ok) wrong.push(test.tcId)
    }
  t.strictSame(wrong, [])

  const made = await passwords.hash('correct horse battery')
  const [, scheme, rounds, salt, hash] = made.split('$')
  t.strictSame([scheme, rounds], ['pbkdf2-sha256', 'i=100000'])
  const again = pbkdf2Sync('correct horse battery', Buffer.from(salt!, 'base64'), 100_000, 32, 'sha256')
  t.equal(hash, again.toString('base64').replace(/=+$/, ''), 'anybody can check a stored hash')
  t.equal(Buffer.from(salt!, 'base64').length, 16)
})

t.test(
  'A flood of log-ins is refused for the moment, and does not delay users who are logged in',
  async (t) => {
    const server = await startServer(t, {
      dataDir: await emptyDataDir(t),
      env: { PASSWORD_QUEUE: '40', PASSWORD_ITERATIONS: '600000' }
    })
    const alice = await user(t, server, 'alice')
    const flooding = newAgent(100)
    t.teardown(() => flooding.destroy())
    const flood = async () => {
      const { password } = alice
      return Promise.all(
        Array.from({ length: 100 }, () => call(server.url, flooding, login('alice', password)))
      )
    }
    let over = false
    const flooded = Promise.all([flood(), sleep(300).then(flood), sleep(600).then(flood)]).finally(
      () => (over = true)
    )
    const took: Record<string, number[]> = { '/v1/users/me': [], '/healthz': [] }
    while (!over)
      for (const [path, times] of Object.entries(took)) {
        const before = performance.now()
        expect(await alice.raw('GET', path), 200)
        times.push(performance.now() - before)
        await sleep(5)
      }
    const answers = (await flooded).flat()
    const refused = answers.filter(({ status }) => status !== 200)
    t.ok(refused.length > 0 && refused.length < answers.length, `${refused.length} of 300 are refused`)
    for (const answer of refused)
      if (
        answer.status !== 503 ||
        problem(answer) !== 'overloaded' ||
        !(Number(answer.headers['retry-after']) >= 1)
      )
        t.fail('is not refused as it should', { status: answer.status, body: answer.body })
    const returns = new Set(refused.map(({ headers }) => headers['retry-after']))
    t.ok(returns.size > 3, `they come back over ${returns.size} different seconds`)
    t.equal(refused[0]?.headers['content-type'], 'application/problem+json; charset=utf-8')
    t.match(refused[0]?.body, { type: '/problems/overloaded', status: 503 })
    for (const [path, times] of Object.entries(took)) {
      const sorted = ascending(times)
      const [median, p95] = [at(sorted, 0.5), at(sorted, 0.95)]
      t.ok(median < 500, `${path} is answered in ${Math.round(median)} ms (median of ${times.length})`)
      // Generous, because other tests keep the machine busy.
      t.ok(p95 < 3000, `${path} is answered in ${Math.round(p95)} ms (95 of 100)`)
    }
    expect(await alice.login(), 200)
  }
)

t.test('Passwords are hashed on all cores but one, and on one at least', async (t) => {
  for (const [cores, threads] of [
    [4, 3],
    [1, 1]
  ] as const) {
    // A thread begins when a password is to be hashed at once and none is idle.
    const observer = `data:text/javascript,
      import os from 'node:os'
      import { syncBuiltinESMExports } from 'node:module'
      os.availableParallelism = () => ${cores}
      syncBuiltinESMExports()
      process.on('worker', () => console.error('a thread begins'))`
    const server = await startServer(t, {
      env: { PASSWORD_ITERATIONS: '300000' },
      nodeOptions: [...QUICK, '--import', observer.replaceAll('\n', ';')]
    })
    const agent = newAgent(4 * cores)
    t.teardown(() => agent.destroy())
    const logins = Array.from({ length: 4 * cores }, (_, n) =>
      call(server.url, agent, login(`nobody${n}`, 'a wrong password'))
    )
    for (const answer of await Promise.all(logins)) t.equal(problem(answer), 'invalid-credentials')
    await server.stop()
    t.equal(server.output.split('a thread begins').length - 1, threads, `of ${cores} cores`)
  }
})

t.test('A log-in costs the same and says the same whether or not the user exists', async (t) => {
  const chat = await startChat(t, { PASSWORD_ITERATIONS: '200000' })
  const alice = await user(t, chat, 'alice')
  const told = new Set<string>()
  // CPU time, thread pool included. Unlike elapsed time it does not depend on other processes.
  const cost = async (username: string) => {
    const before = process.cpuUsage()
    const { status, body } = await alice.raw('POST', '/v1/auth/login', {
      body: { username, password: 'a wrong password' },
      token: null
    })
    const { user, system } = process.cpuUsage(before)
    told.add(JSON.stringify({ status, ...(body as object), instance: undefined }))
    return user + system
  }
  const compare = async (when: string) => {
    const costs: Record<string, number[]> = { alice: [], nobody: [] }
    for (let i = 0; i < 5; i++) for (const [name, list] of Object.entries(costs)) list.push(await cost(name))
    t.equal(told.size, 1, [...told].join())
    const [known, unknown] = Object.values(costs).map((list) => at(ascending(list), 0.5))
    const took = `${known} µs for a user, ${unknown} µs for nobody`
    t.ok(known! / unknown! < 2 && unknown! / known! < 2, `${when}: ${took}`)
  }
  await compare('as registered')
  for (const [when, iterations] of Object.entries({ raised: 1000, lowered: 800_000 })) {
    const passwordHash = await createPasswords({ iterations, maxQueued: 1 }).hash(alice.password)
    await chat.services.db.update(users).set({ passwordHash }).where(eq(users.username, 'alice'))
    await compare(`after PASSWORD_ITERATIONS was ${when}`)
  }
})

t.test('A log-in hashes the password again when PASSWORD_ITERATIONS has risen', async (t) => {
  const chat = await startChat(t, { PASSWORD_ITERATIONS: '110000' })
  const { db } = chat.services
  const alice = await user(t, chat, 'alice')
  const stored = async () =>
    (await db.select().from(users).where(eq(users.username, 'alice')))[0]!.passwordHash!
  const rounds = async () => /i=(\d+)/.exec(await stored())![1]
  t.equal(await rounds(), '110000')

  const store = async (iterations: number) => {
    const passwordHash = await createPasswords({ iterations, maxQueued: 1 }).hash(alice.password)
    await db.update(users).set({ passwordHash }).where(eq(users.username, 'alice'))
  }
  await store(100_000)
  const wrong = await alice.raw('POST', '/v1/auth/login', {
    body: login('alice', 'a wrong password').body,
    token: null
  })
  t.equal(problem(wrong), 'invalid-credentials')
  t.equal(await rounds(), '100000', 'a wrong password changes nothing')
  expect(await alice.login(), 200)
  t.equal(await rounds(), '110000')
  const fresh = await stored()
  expect(await alice.login(), 200)
  t.equal(await stored(), fresh, 'once')

  await store(120_000)
  expect(await alice.login(), 200)
  t.equal(await rounds(), '120000', 'and never makes it weaker')
})
