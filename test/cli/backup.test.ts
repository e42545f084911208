import t from 'tap'
import { machine } from '../support/cli-process.js'
import { startServer } from '../support/server-process.js'

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
    t.match(await home.ok('bob', ['backup', 'status']), 'There is a backup.')
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
    t.match(err, /You are bob again[^]*new recovery code\. The old one opens nothing that comes later/)
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
    t.match(await restored({ SECURE_CHAT_BACKUP_PASSPHRASE: 'four words of alice' }, '--passphrase'), {
      code: 0,
      out: ''
    })
    await home.ok('alice', ['backup', 'remove', '--yes'])
    t.match(await home.ok('alice', ['backup', 'status']), 'There is no backup.')
  }
)
