import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import t from 'tap'
import { ConfigError, readConfig, variables } from '../../src/server/config.js'

t.test('Every variable has a default', (t) => {
  const config = readConfig({})
  t.equal(config.http.host, '127.0.0.1')
  t.equal(config.http.port, 3000)
  t.equal(config.database.url, undefined)
  t.equal(config.sessions.idleSeconds, 3600)
  t.end()
})

t.test('All mistakes are named together, without their values', (t) => {
  const env = {
    SERVER_PORT: 'http',
    SESSION_TIMEOUT: '-1',
    PASSWORD_ITERATIONS: '99999',
    DATABASE_URL: 'mysql://user:hunter2@host/db',
    JWT_SECRET: 'short',
    LOG_LEVEL: 'loud',
    TRUST_PROXY: 'my-proxy'
  }
  try {
    readConfig(env)
    t.fail('it must refuse')
  } catch (error) {
    t.ok(error instanceof ConfigError)
    const { message } = error as ConfigError
    for (const name of Object.keys(env)) t.match(message, `${name} must`)
    t.notMatch(message, 'hunter2')
  }
  t.end()
})

t.test('A variable that needs another one is refused without it', (t) => {
  t.throws(() => readConfig({ WORKERS: '2' }), /WORKERS needs DATABASE_URL/)
  t.equal(readConfig({ WORKERS: '2', DATABASE_URL: 'postgres://host/db' }).workers, 2)
  t.throws(() => readConfig({ DATABASE_TLS_CA: '/ca.pem' }), /DATABASE_TLS_CA needs DATABASE_TLS=verify/)
  t.end()
})

t.test('An empty variable counts as not set', (t) => {
  t.equal(readConfig({ SERVER_PORT: '', DATABASE_URL: '' }).http.port, 3000)
  t.end()
})

t.test('Secrets do not print', (t) => {
  const config = readConfig({ JWT_SECRET: 'x'.repeat(32), DATABASE_URL: 'postgres://u:hunter2@h/db' })
  for (const print of [
    inspect(config, { depth: 5 }),
    JSON.stringify(config),
    `${String(config.sessions.secret)}`
  ]) {
    t.notMatch(print, 'hunter2')
    t.notMatch(print, 'xxxx')
  }
  t.equal(config.sessions.secret?.reveal(), 'x'.repeat(32))
  t.end()
})

t.test('.env.example lists every variable with its default, and no other', (t) => {
  const lines = readFileSync('.env.example', 'utf8').split('\n')
  const listed = Object.fromEntries(
    lines
      .filter((line) => /^[A-Z_]+=/.test(line))
      .map((line) => [line.split('=')[0], line.replace(/^[^=]*=/, '')])
  )
  const expected = Object.fromEntries(
    Object.entries(variables).map(([name, variable]) => [name, variable.default ?? ''])
  )
  t.strictSame(listed, expected)
  t.end()
})
