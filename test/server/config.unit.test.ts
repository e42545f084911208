import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import t from 'tap'
import { ConfigError, readConfig, type Config, type Secret } from '../../src/server/config.js'
import { variables } from '../../src/server/variables.js'

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

t.test('PUBLIC_URL is an address without a path, in whatever form it is written', (t) => {
  for (const url of ['https://chat.example.org', 'HTTPS://Chat.Example.org:443/'])
    t.equal(readConfig({ PUBLIC_URL: url }).http.publicOrigin, 'https://chat.example.org')
  for (const url of [
    'chat.example.org',
    'ftp://host',
    'https://host/chat',
    'https://user:pw@host',
    'https://host?a'
  ])
    t.throws(() => readConfig({ PUBLIC_URL: url }), /PUBLIC_URL must look like/, url)
  t.end()
})

t.test('CORS_ORIGINS are origins without a path, in whatever form they are written', (t) => {
  const of = (CORS_ORIGINS: string) => readConfig({ CORS_ORIGINS }).http.corsOrigins
  t.strictSame(of(''), [])
  t.strictSame(of('https://Chat.example.org/, http://localhost:8080,capacitor://localhost'), [
    'https://chat.example.org',
    'http://localhost:8080',
    'capacitor://localhost'
  ])
  for (const wrong of [
    '*',
    'null',
    'chat.example.org',
    'https://chat.example.org/app',
    'https://*.example.org'
  ])
    t.throws(() => of(wrong), /CORS_ORIGINS must look like https:\/\/chat\.example\.org/, wrong)
  t.end()
})

t.test('Registration is open by default only where nobody but this machine reaches the server', (t) => {
  const of = (env: Record<string, string>) => readConfig(env).registration
  for (const env of [{}, { SERVER_HOST: '::1' }, { PUBLIC_URL: 'http://localhost:3000' }])
    t.same(of(env), { mode: 'open', firstIsAdmin: true }, JSON.stringify(env))
  for (const env of [
    { SERVER_HOST: '0.0.0.0' },
    { SERVER_HOST: 'chat.example.org' },
    { PUBLIC_URL: 'https://chat.example.org' },
    { TRUST_PROXY: '127.0.0.1' }
  ]) {
    t.same(of(env), { mode: 'invite', firstIsAdmin: false }, JSON.stringify(env))
    t.same(of({ ...env, REGISTRATION: 'open' }), { mode: 'open', firstIsAdmin: false })
  }
  t.same(of({ REGISTRATION: 'closed' }), { mode: 'closed', firstIsAdmin: false })
  t.throws(() => of({ REGISTRATION: 'maybe' }), /REGISTRATION must be one of open, invite, closed/)
  t.end()
})

t.test('A variable that needs another one is refused without it', (t) => {
  t.throws(() => readConfig({ WORKERS: '2' }), /WORKERS needs DATABASE_URL/)
  t.equal(readConfig({ WORKERS: '2', DATABASE_URL: 'postgres://host/db' }).workers, 2)
  for (const [name, value] of [
    ['DATABASE_DIRECT_URL', 'postgres://host/db'],
    ['REDIS_URL', 'redis://cache'],
    ['DATABASE_TLS', 'require']
  ] as const) {
    t.throws(
      () => readConfig({ [name]: value }),
      new RegExp(`1 mistake.*\\n  ${name} needs DATABASE_URL`),
      name
    )
    t.ok(readConfig({ [name]: value, DATABASE_URL: 'postgres://pooler/db' }), name)
  }
  t.ok(readConfig({ DATABASE_TLS: 'url' }), 'as .env.example has it')
  t.throws(
    () => readConfig({ WORKERS: '2', DATABASE_URL: 'host' }),
    /1 mistake.*DATABASE_URL must look like/s
  )
  for (const tls of ['url', 'off', 'require'])
    t.throws(
      () => readConfig({ DATABASE_TLS_CA: '/ca.pem', DATABASE_TLS: tls, DATABASE_URL: 'postgres://host/db' }),
      /1 mistake.*DATABASE_TLS_CA needs DATABASE_TLS=verify/s,
      tls
    )
  t.end()
})

t.test(
  'A bound above a larger one is no mistake: one value of a copied .env.example can be lowered alone',
  (t) => {
    const { streams } = readConfig({ MAX_CLIENTS: '100', MAX_CLIENTS_PER_NETWORK: '1000' })
    t.match(streams, { maxOpen: 100, maxPerNetwork: 1000 })
    t.ok(readConfig({ SESSION_TIMEOUT: '3600', SESSION_LIFETIME: '1800' }))
    t.end()
  }
)

t.test('DATABASE_TLS and a URL that speaks of TLS contradict each other', (t) => {
  const url = 'postgres://host/db?sslmode=disable&sslrootcert=/ca.pem'
  for (const tls of ['off', 'require', 'verify'])
    t.throws(
      () => readConfig({ DATABASE_TLS: tls, DATABASE_URL: url, DATABASE_DIRECT_URL: url }),
      /4 mistake.*DATABASE_URL has `sslmode`, and DATABASE_TLS.*DATABASE_DIRECT_URL has `sslrootcert`/s
    )
  t.ok(readConfig({ DATABASE_URL: url }), 'the URL may say it')
  t.ok(readConfig({ DATABASE_TLS: 'verify', DATABASE_URL: 'postgres://host/db?application_name=x' }))
  t.end()
})

/** By the types of all variables: one that is added is missing in `SECRETS` below. */
type SecretName = {
  [Name in keyof typeof variables]: Secret extends ReturnType<(typeof variables)[Name]['parse']>
    ? Name
    : never
}[keyof typeof variables]

const SECRETS: Record<SecretName, { value: string; of: (config: Config) => Secret | undefined }> = {
  JWT_SECRET: { value: 'x'.repeat(32), of: ({ sessions }) => sessions.secret },
  DATABASE_URL: { value: 'postgres://u:p@host/db', of: ({ database }) => database.url },
  DATABASE_DIRECT_URL: { value: 'postgres://u:p@direct/db', of: ({ database }) => database.directUrl },
  REDIS_URL: { value: 'redis://cache', of: ({ redisUrl }) => redisUrl }
}

t.test('Each secret may stand in a file, with a byte order mark and a last line break', (t) => {
  const given = (value: string) => `\uFEFF${value}\r\n`
  const all = Object.entries(SECRETS)
  const folder = t.testdir(Object.fromEntries(all.map(([name, { value }]) => [name, given(value)])))
  const files = Object.fromEntries(all.map(([name]) => [`${name}_FILE`, join(folder, name)]))
  const env = Object.fromEntries(all.map(([name, { value }]) => [name, given(value)]))
  for (const [where, from] of Object.entries({ files, env }))
    for (const [name, { value, of }] of all)
      t.equal(of(readConfig(from))?.reveal(), value, `${name}, ${where}`)
  t.throws(
    () => readConfig({ ...files, JWT_SECRET: 'y'.repeat(32) }),
    /JWT_SECRET_FILE and JWT_SECRET are both set/
  )
  t.throws(() => readConfig({ JWT_SECRET_FILE: join(folder, 'none') }), /JWT_SECRET_FILE names.*ENOENT/)
  t.end()
})

t.test('An empty variable counts as not set', (t) => {
  for (const empty of ['', '\n'])
    t.equal(readConfig({ SERVER_PORT: empty, DATABASE_URL: empty }).http.port, 3000)
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
