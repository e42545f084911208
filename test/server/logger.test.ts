import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { emptyDataDir } from '../support/empty-database.js'
import { eventually } from '../support/eventually.js'
import { conversation, user } from '../support/people.js'
import { startServer } from '../support/server-process.js'
import { startChat } from '../support/start-chat.js'
import { expect, problem } from '../support/interop/http.js'
import type { InteropClient } from '../support/interop/client.js'

/** What of a user's must not be found in a log, each by a name. */
function secretsOf(user: InteropClient): Record<string, string> {
  const key = (pem: string) => pem.split('\n')[1]!
  return {
    password: user.password,
    accessToken: user.accessToken!,
    tokenSignature: user.accessToken!.split('.')[2]!,
    refreshToken: user.refreshToken!,
    signingKey: key(user.keys.signingKey),
    encryptionKey: key(user.keys.encryptionKey),
    statement: Object.values(user.firstStatement().signatures)[0]!
  }
}

function tellsNone(t: Test, log: string, ...secrets: Record<string, string>[]): void {
  const found = secrets
    .flatMap((some) => Object.entries(some))
    .filter(
      ([, secret]) =>
        secret === '' || [secret, JSON.stringify(secret).slice(1, -1)].some((s) => log.includes(s))
    )
  t.strictSame(
    found.map(([name]) => name),
    []
  )
  t.notMatch(log, /params:|"params"|pbkdf2-sha256/)
}

t.test('Even at LOG_LEVEL=trace the log holds no password, token, key or message', async (t) => {
  const dataDir = await emptyDataDir(t)
  const server = await startServer(t, { dataDir, env: { LOG_LEVEL: 'trace' } })
  const alice = await user(t, server, 'alice')
  const registered = secretsOf(alice)
  const bob = await user(t, server, 'bob')
  const live = await bob.live({ resume: false })

  expect(await alice.login(), 200)
  const loggedIn = secretsOf(alice)
  expect(await alice.refresh(), 200)
  const refreshed = secretsOf(alice)
  const mistakes = { wrong: 'a wrong pass phrase', malformed: 'pass phrase in bad JSON', short: 'short-pw' }
  const auth = (path: string, body: unknown) => alice.raw('POST', `/v1/auth/${path}`, { body, token: null })
  expect(await auth('login', { username: 'alice', password: mistakes.wrong }), 401)
  expect(await auth('login', `{"password":"${mistakes.malformed}"`), 400)
  expect(await auth('register', { username: 'carol', password: mistakes.short, device: {} }), 400)
  expect(await auth('refresh', { refreshToken: `${alice.refreshToken}A` }), 400, 401)
  expect(await alice.raw('GET', '/v1/users/me', { token: `${alice.accessToken}A` }), 401)

  const id = await conversation(alice, [bob])
  const { body: key, held } = alice.makeKey(id, await alice.roster(id))
  expect(await alice.raw('POST', `/v1/conversations/${id}/session-keys`, { body: key }), 201)
  alice.sessionKeys.set(held.id, held)
  const sealed = alice.seal(id, 'hello', undefined, held.id)
  const { iv, ciphertext, signature } = sealed
  expect(await alice.post(id, sealed), 201)
  await live.waitFor(({ event }) => event === 'message')
  expect(await alice.post(id, { ...sealed, iv: 'no-base64' }), 400)
  expect(await alice.logout(), 204)
  live.close()

  await eventually(() => server.output.includes('"/v1/auth/logout"'), 'the last request in the log')
  for (const path of ['auth/register', 'auth/login', 'auth/refresh', `conversations/${id}/messages`])
    t.ok(server.output.includes(`"/v1/${path}"`), `${path} is in the log`)
  const jwtSecret = (await readFile(join(dataDir, 'jwt-secret'), 'utf8')).trim()
  const message = { iv, ciphertext, signature, wrappedKey: key.wraps[0]!.wrappedKey, jwtSecret }
  tellsNone(t, server.output, registered, loggedIn, refreshed, secretsOf(bob), mistakes, message)
})

t.test('A query that fails is logged without its parameters, and no answer shows it', async (t) => {
  let log = ''
  const chat = await startChat(t, { LOG_LEVEL: 'trace' }, { write: (line: string) => void (log += line) })
  const alice = await user(t, chat, 'alice')
  const id = await conversation(alice, [])
  const before = secretsOf(alice)
  for (const table of ['events', 'sessions', 'user_statements'])
    await chat.services.db.execute(sql.raw(`alter table ${table} rename to ${table}_gone`))
  const sealed = alice.seal(id, 'hello')
  for (const answer of [
    await alice.post(id, sealed),
    await alice.login(),
    await alice.refresh(),
    await alice.raw('GET', '/v1/users/alice')
  ]) {
    t.equal(`${answer.status} ${problem(answer)}`, '500 internal-error')
    t.notMatch(JSON.stringify(answer.body), /select|insert|relation|_gone|\.js:/i)
  }
  t.match(log, /"msg":"request failed"/)
  t.match(log, /relation|does not exist/)
  const { iv, ciphertext, signature } = sealed
  tellsNone(t, log, before, { iv, ciphertext, signature })
})
