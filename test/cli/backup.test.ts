import t from 'tap'
import { cheapArgon2 } from '../support/cheap-argon2.js'
import { machine } from '../support/cli-process.js'
import { startServer } from '../support/server-process.js'

cheapArgon2(t)
const server = await startServer(t)
const home = await machine(t, server.url)
await home.register('alice', 'bob')

/** The texts of a history, as a profile reads it. */
async function texts(profile: string, name: string): Promise<unknown[]> {
  return (await home.json(profile, ['history', name])).map(({ body, type }) => body ?? type)
}

t.test(
  'A recovery code restores messages and identity on a new machine, and a new one takes its place',
  async (t) => {
    const number = (await home.ok('alice', ['verify', 'bob'])).trim()
    await home.ok('alice', ['verify', 'bob', number])
    await home.ok('bob', ['verify', 'alice', number])
    const code = (await home.ok('bob', ['backup', 'create'])).trim()
    t.match(await home.ok('bob', ['backup', 'status']), /^There is a backup of /)
    t.match(await home.ok('bob', ['devices']), /"recovery key" .*key backup$/m)
    await home.ok('alice', ['send', 'bob', 'since the backup'])
    await home.ok('bob', ['logout', '--forget', '--yes'])
    const restored = async (profile: string, env: Record<string, string>, ...options: string[]) =>
      home.run(profile, ['restore', 'bob', ...options], { env })
    t.match(await restored('rescue', { SECURE_CHAT_RECOVERY_CODE: 'AAAAA' }), { code: 2 })
    t.match(await restored('rescue', { SECURE_CHAT_BACKUP_PASSPHRASE: 'something else' }, '--passphrase'), {
      code: 2,
      err: /sealed with a recovery code\.\n.*With a code, leave out --passphrase/
    })
    const { out, err } = await restored('rescue', { SECURE_CHAT_RECOVERY_CODE: code })
    t.match(
      err,
      /You are bob again[^]*new recovery code\. The old code or passphrase opens nothing that comes later/
    )
    const next = out.trim()
    t.match(next, /^([A-Z0-9]{5}-){5}[A-Z0-9]{5}$/)
    t.not(next, code)
    t.equal((await texts('rescue', 'alice')).at(-1), 'since the backup')
    await home.ok('rescue', ['send', 'alice', 'it is me'])
    t.match(await home.json('alice', ['contacts']), [{ username: 'bob', status: /^verified$/ }])
    t.match(await home.json('rescue', ['contacts']), [{ username: 'alice', status: /^verified$/ }])
    t.not((await restored('late', { SECURE_CHAT_RECOVERY_CODE: code })).code, 0, 'the old code opens nothing')
    t.equal((await restored('second', { SECURE_CHAT_RECOVERY_CODE: next })).code, 0)
  }
)

t.test(
  'A backup with a passphrase replaces an older one, and the password is refused as its passphrase',
  async (t) => {
    const sealed = (passphrase: string) =>
      home.run('alice', ['backup', 'create', '--passphrase'], {
        env: { SECURE_CHAT_BACKUP_PASSPHRASE: passphrase }
      })
    const code = (await home.ok('alice', ['backup', 'create'])).trim()
    t.match(await sealed('correct horse battery staple 42'), { code: 2, err: /the password of the account/ })
    t.match(await sealed('four words of alice'), { code: 0, err: /opens nothing that comes later/ })
    const restored = (env: Record<string, string>, ...options: string[]) =>
      home.run('spare', ['restore', 'alice', ...options], { env })
    t.match(await restored({ SECURE_CHAT_RECOVERY_CODE: code }), {
      code: 2,
      err: /sealed with a passphrase\.\n.*restore NAME --passphrase/
    })
    t.match(await restored({ SECURE_CHAT_BACKUP_PASSPHRASE: 'four words of carol' }, '--passphrase'), {
      code: 1,
      err: /passphrase does not open this backup/
    })
    const old = { SECURE_CHAT_BACKUP_PASSPHRASE: 'four words of alice' }
    const { code: exit, out, err } = await restored(old, '--passphrase')
    t.equal(exit, 0)
    t.match(out, /^([A-Z0-9]{5}-){5}[A-Z0-9]{5}\n$/, 'the next one has a code')
    t.match(err, /new recovery code\. The old code or passphrase opens nothing that comes later/)
    await home.ok('alice', ['backup', 'remove', '--yes'])
    t.match(await home.ok('alice', ['backup', 'status']), 'There is no backup.')
  }
)

t.test('A passphrase that opens a backup opens no other one', async (t) => {
  const passphrase = 'four words of carol'
  await home.register('carol')
  const env = { SECURE_CHAT_BACKUP_PASSPHRASE: passphrase }
  await home.ok('carol', ['backup', 'create', '--passphrase'], { env })
  t.match(await home.run('carol', ['backup', 'create', '--passphrase'], { env }), {
    code: 2,
    err: /This is the passphrase of the backup that is replaced\.\n {2}Choose another one/
  })
  const restored = (next: string) =>
    home.run('carols', ['restore', 'carol', '--passphrase', '--new-passphrase'], {
      env: { ...env, SECURE_CHAT_NEW_BACKUP_PASSPHRASE: next }
    })
  t.match(await restored(passphrase), { code: 2, err: /Choose another one/ })
  t.match(await restored('correct horse battery staple 42'), { code: 2, err: /the password of the account/ })
  t.match(await restored('four other words of carol'), {
    code: 0,
    out: '',
    err: /You are carol again\.\nThe backup is on the server\. Your passphrase opens it/
  })
  const last = { SECURE_CHAT_BACKUP_PASSPHRASE: 'four other words of carol' }
  t.match(await home.run('third', ['restore', 'carol', '--passphrase'], { env: last }), { code: 0 })
})
