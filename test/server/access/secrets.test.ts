import { execSync, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { loadSecret } from '../../../src/server/access/secrets.js'
import { emptyDataDir } from '../../support/empty-database.js'
import { freePort, ServerProcess } from '../../support/server-process.js'

function dataDir(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'secrets-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'data')
}

t.test('A secret is made at first use and is the same ever after', async (t) => {
  const dir = dataDir(t)
  const secret = loadSecret(dir, 'jwt-secret')
  t.match(secret, /^[A-Za-z0-9_-]{43}$/)
  t.equal(loadSecret(dir, 'jwt-secret'), secret)
  t.equal(readFileSync(join(dir, 'jwt-secret'), 'utf8'), `${secret}\n`)
  t.not(loadSecret(dir, 'other-secret'), secret)
  t.strictSame(readdirSync(dir), ['jwt-secret', 'other-secret'], 'nothing else is left')
})

t.test('A secret is 32 random bytes', async (t) => {
  const bytes = Buffer.alloc(32, 0xfb)
  const secret = loadSecret(dataDir(t), 'jwt-secret', (size) => bytes.subarray(0, size))
  t.equal(secret, bytes.toString('base64url'))
})

t.test('Only its owner can read a secret', async (t) => {
  const dir = dataDir(t)
  const mask = process.umask(0)
  t.teardown(() => process.umask(mask))
  loadSecret(dir, 'jwt-secret')
  t.equal(statSync(dir).mode & 0o777, 0o700)
  t.equal(statSync(join(dir, 'jwt-secret')).mode & 0o777, 0o600)
})

t.test('A secret that others can read is refused, with the command that fixes it', async (t) => {
  const dir = dataDir(t)
  const secret = loadSecret(dir, 'jwt-secret')
  const path = join(dir, 'jwt-secret')
  for (const mode of [0o640, 0o604, 0o620, 0o644]) {
    chmodSync(path, mode)
    t.throws(() => loadSecret(dir, 'jwt-secret'), {
      message: new RegExp(
        `has mode 0${mode.toString(8)}\\. .* chmod 600 ${path}\\. .*fsGroupChangePolicy: OnRootMismatch`
      )
    })
  }
  chmodSync(path, 0o400)
  t.equal(loadSecret(dir, 'jwt-secret'), secret)
})

t.test('A server whose secret others can read does not start before the command has run', async (t) => {
  const dataDir = await emptyDataDir(t)
  const secret = loadSecret(dataDir, 'jwt-secret')
  const path = join(dataDir, 'jwt-secret')
  chmodSync(path, 0o640)
  const server = new ServerProcess(await freePort(), dataDir, {})
  t.teardown(() => server.kill())
  await t.rejects(server.start(), { message: /^the server ended \(1\)/ })
  const [, command] = /^secure-chat: .* has mode 0640\. .* run: (chmod 600 \S+)\. /.exec(server.output)!
  execSync(command!)
  await server.start()
  t.equal(readFileSync(path, 'utf8'), `${secret}\n`)
})

t.test('A secret that is empty, cut short or garbled is refused, and left as it is', async (t) => {
  const dir = dataDir(t)
  const secret = loadSecret(dir, 'jwt-secret')
  const path = join(dir, 'jwt-secret')
  for (const content of [
    '',
    '\n',
    secret.slice(0, 42),
    `${secret}A`,
    `${secret.slice(0, 42)}!`,
    `${secret} x`
  ]) {
    writeFileSync(path, content)
    let message = ''
    try {
      loadSecret(dir, 'jwt-secret')
    } catch (error) {
      message = (error as Error).message
    }
    t.match(message, /does not hold 32 bytes in base64url\. Restore it from a backup/)
    t.notOk(message.includes(secret.slice(0, 20)), 'the error does not give it away')
    t.equal(readFileSync(path, 'utf8'), content)
  }
})

t.test('Processes that start together get the same secret', async (t) => {
  const dir = dataDir(t)
  const code = `
    import { loadSecret } from ${JSON.stringify(new URL('../../../src/server/access/secrets.js', import.meta.url))}
    console.log(loadSecret(process.argv[1], 'jwt-secret'))
  `
  const secrets = await Promise.all(
    Array.from({ length: 6 }, () =>
      text(
        spawn(process.execPath, ['--input-type=module', '-e', code, dir], {
          stdio: ['ignore', 'pipe', 'inherit']
        }).stdout
      )
    )
  )
  t.strictSame(new Set(secrets), new Set([`${loadSecret(dir, 'jwt-secret')}\n`]))
  t.strictSame(readdirSync(dir), ['jwt-secret'])
})
