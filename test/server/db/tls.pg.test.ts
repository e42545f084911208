import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import { eventually } from '../../support/eventually.js'
import { user } from '../../support/people.js'
import { runAs } from '../../support/postgres-binaries.js'
import { findPostgres } from '../../support/postgres.js'
import { findProgram } from '../../support/programs.js'
import { freePort, ServerProcess } from '../../support/server-process.js'

const TLS_OF_OUR_OWN = 'the PostgreSQL of TEST_DATABASE_URL has the certificate that it has'

/** The lock under which servers migrate. */
const MIGRATION_LOCK = 7_236_418_203

const folder = mkdtempSync(join(tmpdir(), 'secure-chat-tls-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const file = (name: string) => join(folder, name)

/** A certificate of this name, and its key, signed by an authority or by itself. */
function certificate(name: string, subject: string, ...options: string[]): void {
  const files = ['-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)]
  const made = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1'.split(' ')
  execFileSync('openssl', [...made, '-subj', `/CN=${subject}`, ...files, ...options], { stdio: 'pipe' })
}

/** PostgreSQL with a certificate for `localhost` and nothing else, which a private authority has signed. */
async function startWithTls() {
  const openssl = findProgram('openssl')
  if (typeof openssl === 'string') return openssl
  if ((process.env['TEST_DATABASE_URL'] ?? '') !== '') return TLS_OF_OUR_OWN
  certificate('authority', 'the right one')
  certificate('stranger', 'a wrong one')
  const signed = ['-CA', file('authority.pem'), '-CAkey', file('authority.key')]
  certificate('server', 'localhost', ...signed, '-addext', 'subjectAltName=DNS:localhost')
  const { uid, gid } = runAs()
  chmodSync(folder, 0o755)
  for (const name of readdirSync(folder)) {
    chmodSync(file(name), 0o600)
    // PostgreSQL takes a key that belongs to nobody else.
    if (uid !== undefined && gid !== undefined) chownSync(file(name), uid, gid)
  }
  return findPostgres(t, {
    settings: ['ssl=on', `ssl_cert_file=${file('server.pem')}`, `ssl_key_file=${file('server.key')}`]
  })
}

const postgres = await startWithTls()
if (typeof postgres === 'string') t.plan(0, postgres)
else {
  const databaseUrl = await postgres.newDatabase()
  const byName = (url = databaseUrl) => url.replace('127.0.0.1', 'localhost')
  const admin = new pg.Client({ connectionString: databaseUrl })
  await admin.connect()
  t.teardown(() => admin.end())

  const newServer = async (t: Test, url: string, env: Record<string, string>) => {
    const server = new ServerProcess(await freePort(), '/nowhere', {
      databaseUrl: url,
      env: { LOG_LEVEL: 'info', WORKERS: '1', REDIS_URL: '', ...env }
    })
    t.teardown(() => server.stop())
    return server
  }

  /** What the connections of the server are for, and whether each is encrypted. */
  const connections = async (): Promise<Record<string, boolean[]>> => {
    const { rows } = await admin.query<{ what: string; encrypted: boolean[] }>(
      `select case when a.query similar to '(listen|notify)%' then 'notices' when a.query like '%advisory_lock%'
         then 'migration' else 'pool' end as what, array_agg(distinct s.ssl) as encrypted
       from pg_stat_activity a join pg_stat_ssl s using (pid)
       where a.datname = current_database() and a.pid <> pg_backend_pid() group by what`
    )
    return Object.fromEntries(rows.map(({ what, encrypted }) => [what, encrypted]))
  }

  const verify = { DATABASE_TLS: 'verify', DATABASE_TLS_CA: file('authority.pem') }
  const inUrl = `?sslmode=verify-full&sslrootcert=${file('authority.pem')}`
  const ways: [what: string, isEncrypted: boolean, env: Record<string, string>, inUrl?: string][] = [
    ['DATABASE_TLS=off', false, { DATABASE_TLS: 'off', PGSSLMODE: 'require' }],
    ['DATABASE_TLS=require, whoever has signed', true, { DATABASE_TLS: 'require' }],
    ['DATABASE_TLS=verify', true, verify],
    ['DATABASE_TLS=verify, past a pooler', true, { ...verify, DATABASE_DIRECT_URL: byName() }],
    ['sslmode=verify-full in DATABASE_URL', true, {}, inUrl]
  ]
  for (const [what, isEncrypted, env, inUrl = ''] of ways)
    t.test(`Every connection is ${isEncrypted ? '' : 'not '}encrypted with ${what}`, async (t) => {
      const server = await newServer(t, `${byName()}${inUrl}`, env)
      await admin.query('select pg_advisory_lock($1)', [MIGRATION_LOCK])
      const unlock = () => admin.query('select pg_advisory_unlock_all()')
      t.teardown(unlock)
      const ready = server.start()
      ready.catch(() => undefined)
      await eventually(() => server.output.includes('waiting for another process that migrates'), 'it waits')
      t.strictSame(await connections(), { pool: [isEncrypted], migration: [isEncrypted] })
      await unlock()
      await ready
      await user(t, server, `alice${ways.findIndex((way) => way[0] === what)}`)
      await eventually(async () => 'notices' in (await connections()), 'it listens')
      t.strictSame(await connections(), { pool: [isEncrypted], notices: [isEncrypted] })
    })

  const wrong: [what: string, url: string, env: Record<string, string>, message: RegExp][] = [
    [
      'of an authority that is not in DATABASE_TLS_CA',
      byName(),
      { ...verify, DATABASE_TLS_CA: file('stranger.pem') },
      /unable to verify/
    ],
    [
      'of an authority that the system does not know',
      byName(),
      { DATABASE_TLS: 'verify' },
      /unable to verify/
    ],
    ['for another host', databaseUrl, verify, /127\.0\.0\.1 is not in the cert/]
  ]
  for (const [what, url, env, message] of wrong)
    t.test(`With DATABASE_TLS=verify a certificate ${what} is refused at once`, async (t) => {
      const server = await newServer(t, url, env)
      await t.rejects(server.start(), { message: /^the server ended \(1\)/ })
      t.match(server.output, /^secure-chat: The database cannot be used: /)
      t.match(server.output, message)
      t.notMatch(server.output, 'waiting for the database')
    })

  t.test('With DATABASE_TLS=verify a wrong certificate on the direct way is refused, too', async (t) => {
    const server = await newServer(t, byName(), { ...verify, DATABASE_DIRECT_URL: databaseUrl })
    await t.rejects(server.start(), { message: /^the server ended \(1\)/ })
    t.match(server.output, /secure-chat: The database cannot be used: .*127\.0\.0\.1 is not in the cert/)
  })
}
