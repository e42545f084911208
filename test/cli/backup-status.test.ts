import t from 'tap'
import { cheapArgon2 } from '../support/cheap-argon2.js'
import { machine } from '../support/cli-process.js'
import { eventually } from '../support/eventually.js'
import { startChat } from '../support/start-chat.js'
import { tamperingProxy, type Asked } from '../support/tampering-proxy.js'

cheapArgon2(t)
const { url } = await startChat(t)
const home = await machine(t, url)
const proxy = await tamperingProxy(t, url)
/** For a profile that reaches the server through the proxy. */
const env = { SECURE_CHAT_URL: proxy.url }
const isUpload = ({ method, path }: Asked) => method === 'PUT' && path.endsWith('/key-backup')
const isRevocation = ({ method, path }: Asked) => method === 'POST' && path.endsWith('/revocation')

async function recoveryKeys(profile: string): Promise<Record<string, unknown>[]> {
  const devices = await home.json(profile, ['devices'])
  return devices.filter(({ purpose, status }) => purpose === 'recovery' && status === 'active')
}

/** The backup, as `backup status` and `doctor` tell of it. */
async function told(profile: string): Promise<{ status: object; text: string; doctor: object }> {
  const [status] = await home.json(profile, ['backup', 'status'])
  const { out, err } = await home.run(profile, ['backup', 'status'])
  const checks = await home.run(profile, ['doctor', '--json'])
  const doctor = checks.out.split('\n').find((line) => line.includes('"check":"backup"'))!
  return { status: status!, text: out + err, doctor: JSON.parse(doctor) as object }
}

const isVoid = {
  status: { usable: false, reason: 'revoked' },
  text: /restores nothing any more[^]*secure-chat backup create/,
  doctor: { status: 'warn', message: /restores nothing any more/, hint: /secure-chat backup create/ }
}
const isUsable = {
  status: { usable: true, kind: 'recovery-code', createdAt: /^\d{4}-/ },
  text: /^There is a backup of \d{4}-\d\d-\d\d \d\d:\d\d\. Only the code that you were shown then opens it\.\n$/,
  doctor: { status: 'ok', message: /There is a backup of/ }
}

t.test('A backup counts no more when its recovery key was revoked, until there is a new one', async (t) => {
  await home.register('anna')
  t.match(await told('anna'), { status: { reason: 'none' }, text: /There is no backup\.\n.*backup create/ })
  const code = (await home.ok('anna', ['backup', 'create'])).trim()
  t.match(await told('anna'), isUsable)
  const [recovery] = await recoveryKeys('anna')
  await home.ok('anna', ['devices', 'revoke', String(recovery!['id']), '--yes'])
  t.match(await told('anna'), isVoid)
  t.match(await home.run('other', ['restore', 'anna'], { env: { SECURE_CHAT_RECOVERY_CODE: code } }), {
    code: 1,
    err: /not the user’s any more\.\n {2}.*backup create/
  })
  await home.ok('anna', ['backup', 'create'])
  t.match(await told('anna'), isUsable)
})

t.test('A backup counts no more after a reset by another device', async (t) => {
  await home.register('basil')
  await home.ok('basil', ['backup', 'create', '--passphrase'], {
    env: { SECURE_CHAT_BACKUP_PASSPHRASE: 'four words of basil' }
  })
  t.match(await told('basil'), { status: { usable: true, kind: 'passphrase' }, text: /Only the passphrase/ })
  await home.ok('basil2', ['login', 'basil', '--no-wait'])
  await home.ok('basil2', ['devices', 'reset', '--yes'])
  t.match(await told('basil2'), isVoid)
})

t.test('A backup that this program cannot read does not count', async (t) => {
  await home.ok('carla', ['register', 'carla'], { env })
  await home.ok('carla', ['backup', 'create'])
  const headers = { 'content-type': 'application/octet-stream', etag: '"other"' }
  const body = 'secure-chat/v2 key-backup\n'
  proxy.tamper({
    instead: ({ method, path }) =>
      method === 'GET' && path.endsWith('/key-backup') ? { status: 200, headers, body } : undefined
  })
  t.match(JSON.parse(await home.ok('carla', ['backup', 'status', '--json'], { env })), {
    usable: false,
    reason: 'unreadable'
  })
  proxy.tamper({})
  t.match(await told('carla'), isUsable)
})

t.test('A backup whose code nobody has seen does not count, and the next one replaces it', async (t) => {
  await home.register('dora')
  await home.ok('dora', ['backup', 'create'])
  proxy.tamper({ loses: isUpload })
  t.match(await home.run('dora', ['backup', 'create'], { env }), { code: 3, out: '' })
  proxy.tamper({})
  t.match(await told('dora'), {
    status: { usable: false, reason: 'unfinished' },
    text: /Nobody has seen the code[^]*backup create/,
    doctor: { status: 'warn' }
  })
  const code = (await home.ok('dora', ['backup', 'create'])).trim()
  t.equal((await recoveryKeys('dora')).length, 1)
  t.match(await told('dora'), isUsable)
  await home.ok('dora2', ['restore', 'dora'], { env: { SECURE_CHAT_RECOVERY_CODE: code } })
})

t.test('After kill -9 while a backup is made, the next look ends what it has replaced', async (t) => {
  await home.register('fred')
  await home.ok('fred', ['backup', 'create'])
  const killed = async (isAt: (asked: Asked) => boolean) => {
    const making = home.start('fred', ['backup', 'create'], { env })
    const instead = (asked: Asked) => {
      if (!isAt(asked)) return undefined
      making.child.kill('SIGKILL')
      return { status: 502 }
    }
    proxy.tamper({ instead })
    t.equal((await making.ended()).out, '')
    proxy.tamper({})
  }
  await killed(isUpload)
  t.match(await told('fred'), isUsable, 'the earlier one')
  await killed(isRevocation)
  t.equal((await recoveryKeys('fred')).length, 3)
  t.match(await told('fred'), { status: { usable: false, reason: 'unfinished' } })
  const listening = home.start('fred', ['listen'])
  await eventually(async () => (await recoveryKeys('fred')).length === 1)
  await listening.interrupted()
  await home.ok('fred', ['backup', 'create'])
  t.match(await told('fred'), isUsable)
  t.equal((await recoveryKeys('fred')).length, 1)
})

t.test('Two programs that make a backup at once leave one, which one of them has shown', async (t) => {
  await home.register('gina')
  const both = ['backup', 'create']
  const ended = await Promise.all([home.start('gina', both).ended(), home.start('gina', both).ended()])
  t.equal((await recoveryKeys('gina')).length, 1)
  t.match(await told('gina'), isUsable)
  for (const { code, err } of ended) if (code !== 0) t.match(err, /at the same time[^]*Use the code/)
  const codes = ended.filter(({ code }) => code === 0).map(({ out }) => out.trim())
  const restored = []
  for (const [at, code] of codes.entries()) {
    const recovery = { env: { SECURE_CHAT_RECOVERY_CODE: code } }
    restored.push((await home.run(`gina${at}`, ['restore', 'gina'], recovery)).code)
  }
  t.equal(restored.filter((code) => code === 0).length, 1)
})
