import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
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

t.test('A new device waits for approval, and can then read earlier messages', async (t) => {
  await home.ok('alice', ['send', 'bob', 'long ago'])
  const laptop = home.start('laptop', ['login', 'alice', '--device-name', 'laptop'])
  await laptop.shows('Waiting')
  const [, shown] = /fingerprint is ([0-9a-f ]+)\./.exec(laptop.out)!
  t.match(await home.run('laptop', ['send', 'bob', 'too early']), {
    code: 2,
    err: `This device waits for approval. Its fingerprint is ${shown!}.`
  })
  const [request] = await home.json('alice', ['devices', 'requests'])
  t.match(request, { name: 'laptop', status: 'pending', fingerprint: shown!.replaceAll(' ', '') })
  const other = ['devices', 'approve', '--fingerprint', '0'.repeat(64)]
  t.match(await home.run('alice', other), { code: 1, err: /another fingerprint/ })
  t.match(await home.run('alice', ['devices', 'approve']), { code: 2, err: /--fingerprint/ })
  await home.ok('alice', ['devices', 'approve', String(request!['id']).slice(0, 6), '--fingerprint', shown!])
  t.match(await laptop.ended(), { code: 0, out: /You are alice\.$/m })
  t.strictSame(await texts('laptop', 'bob'), ['long ago'])
  await home.ok('laptop', ['devices', 'rekey'])
  await home.ok('bob', ['send', 'alice', 'for both'])
  t.strictSame(await texts('laptop', 'bob'), ['long ago', 'for both'])
})

t.test('A device that was declined or revoked asks for approval again', async (t) => {
  await home.ok('phone', ['login', 'alice', '--no-wait'])
  await home.ok('alice', ['devices', 'decline'])
  t.match(await home.run('phone', ['conversations']), {
    code: 2,
    err: /does not know this device[^]*waits for approval/
  })
  const laptop = (await home.json('alice', ['devices'])).find(({ name }) => name === 'laptop')!
  await home.ok('alice', ['devices', 'revoke', String(laptop['id']), '--yes'])
  await home.ok('bob', ['send', 'alice', 'not for the laptop'])
  t.match(await home.run('laptop', ['history', 'bob']), {
    code: 2,
    err: /no longer does\. The device asks for approval again[^]*waits for approval/
  })
})

t.test('If a session has ended, a command logs in again with the password', async (t) => {
  await home.ok('alice', ['logout'])
  t.match(await home.ok('alice', ['whoami']), /^alice \(active, logged out\)$/m)
  const without = { env: { SECURE_CHAT_PASSWORD: '' } }
  t.match(await home.run('alice', ['conversations'], without), { code: 2, err: /SECURE_CHAT_PASSWORD/ })
  const passwordFile = join(home.home, 'password')
  await writeFile(passwordFile, 'correct horse battery staple 42\n')
  const command = ['conversations', '--password-file', passwordFile]
  t.match(await home.ok('alice', command, without), 'direct  bob')
  t.match(await home.ok('alice', ['whoami']), /^alice \(active, logged in\)$/m)
})

t.test('A recovery code restores messages and identity on a new machine', async (t) => {
  const code = (await home.ok('bob', ['backup', 'create'])).trim()
  t.match(await home.ok('bob', ['backup', 'status']), 'There is a backup.')
  const number = (await home.ok('alice', ['verify', 'bob'])).trim()
  t.match(number, /^(\d{5} ?){12}$/)
  await home.ok('alice', ['verify', 'bob', ...number.split(' ')])
  await home.ok('alice', ['send', 'bob', 'since the backup'])
  await home.ok('bob', ['logout', '--forget', '--yes'])
  const restored = async (env: Record<string, string>, ...options: string[]) =>
    home.run('rescue', ['restore', 'bob', ...options], { env })
  t.match(await restored({ SECURE_CHAT_RECOVERY_CODE: 'AAAAA' }), { code: 2 })
  t.match(await restored({ SECURE_CHAT_BACKUP_PASSPHRASE: 'something else' }, '--passphrase'), {
    code: 2,
    err: /sealed with a recovery code\.\n.*With a code, leave out --passphrase/
  })
  await home.ok('rescue', ['restore', 'bob'], { env: { SECURE_CHAT_RECOVERY_CODE: code } })
  t.equal((await texts('rescue', 'alice')).at(-1), 'since the backup')
  await home.ok('rescue', ['send', 'alice', 'it is me'])
  t.match(await home.json('alice', ['contacts']), [{ username: 'bob', status: 'verified' }])
})

t.test(
  'A backup with a passphrase replaces an older one, and the password is refused as its passphrase',
  async (t) => {
    const sealed = (passphrase: string) =>
      home.run('alice', ['backup', 'create', '--passphrase'], {
        env: { SECURE_CHAT_BACKUP_PASSPHRASE: passphrase }
      })
    const code = (await home.ok('alice', ['backup', 'create'])).trim()
    t.match(await sealed('correct horse battery staple 42'), { code: 2, err: /the password of the account/ })
    t.match(await sealed('four words of alice'), { code: 0, err: /the earlier backup, whose code/ })
    const restored = (env: Record<string, string>, ...options: string[]) =>
      home.run('second', ['restore', 'alice', ...options], { env })
    t.match(await restored({ SECURE_CHAT_RECOVERY_CODE: code }), {
      code: 2,
      err: /sealed with a passphrase\.\n.*restore NAME --passphrase/
    })
    t.match(await restored({ SECURE_CHAT_BACKUP_PASSPHRASE: 'four words of carol' }, '--passphrase'), {
      code: 1,
      err: /passphrase does not open this backup/
    })
    t.match(await restored({ SECURE_CHAT_BACKUP_PASSPHRASE: 'four words of alice' }, '--passphrase'), {
      code: 0
    })
  }
)

t.test('After a reset, nothing is sent until the new identity is accepted', async (t) => {
  await home.ok('phone2', ['login', 'bob', '--no-wait'])
  await home.ok('phone2', ['devices', 'reset', '--yes'])
  const listening = home.start('alice', ['listen'])
  await listening.shows(/Warning: bob has a new identity, not the one that you verified/)
  await listening.interrupted()
  t.match(await home.run('alice', ['send', 'bob', 'who are you?']), {
    code: 1,
    err: /secure-chat accept NAME/
  })
  t.match(await home.json('alice', ['contacts']), [{ status: 'changed', wasVerified: true }])
  await home.ok('alice', ['accept', 'bob'])
  await home.ok('alice', ['send', 'bob', 'welcome back'])
  t.equal((await texts('phone2', 'alice')).at(-1), 'welcome back')
})
