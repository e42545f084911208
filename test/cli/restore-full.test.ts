import t from 'tap'
import { machine } from '../support/cli-process.js'
import { startChat } from '../support/start-chat.js'

const { url } = await startChat(t, { MAX_DEVICES: '3', DEVICE_ADDS_PER_DAY: '100' })
const home = await machine(t, url)

async function names(profile: string): Promise<unknown[]> {
  const devices = await home.json(profile, ['devices'])
  return devices.filter(({ status }) => status === 'active').map(({ name }) => name)
}

t.test('A user with as many devices as allowed restores in the place of one that they name', async (t) => {
  await home.ok('alice', ['register', 'alice', '--device-name', 'laptop'])
  let code = (await home.ok('alice', ['backup', 'create'])).trim()
  const restored = async (profile: string, ...options: string[]) => {
    const env = { SECURE_CHAT_RECOVERY_CODE: code }
    const ended = await home.run(profile, ['restore', 'alice', ...options], { env })
    if (ended.code === 0) code = ended.out.trim()
    return ended
  }
  // The first run of a job has no device to replace, and the others have one.
  for (const run of ['job1', 'job2', 'job3'])
    t.match(await restored(run, '--device-name', 'ci', '--replace', 'ci'), {
      code: 0,
      err:
        run === 'job1'
          ? /There is no device "ci" to replace/
          : /This machine replaces "ci" \(.*\), which is revoked/
    })
  t.strictSame(await names('job3'), ['laptop', 'ci', 'recovery key'])
  t.match(await home.run('job2', ['devices']), { code: 1, err: /was revoked/ })

  const full = await restored('phone')
  t.match(full, { code: 2, err: /as many devices as this server allows/ })
  t.match(full.err, /"laptop" +\d{4}-.*\n.*"ci" +\d{4}-.*\n.*--replace ID/)
  t.strictSame(await names('alice'), ['laptop', 'ci', 'recovery key'], 'nothing has changed')
  const laptop = (await home.json('alice', ['devices'])).find(({ name }) => name === 'laptop')!
  t.match(await restored('phone', '--device-name', 'phone', '--replace', String(laptop['id']).slice(0, 8)), {
    code: 0
  })
  t.strictSame(await names('phone'), ['ci', 'phone', 'recovery key'])
  t.match(await home.json('phone', ['backup', 'status']), [{ usable: true }])
})

t.test('A user with as many devices as allowed makes a backup in the place of the earlier one', async (t) => {
  const before = await home.json('phone', ['backup', 'status'])
  await home.ok('phone', ['backup', 'create'])
  t.strictSame(await names('phone'), ['ci', 'phone', 'recovery key'])
  const after = await home.json('phone', ['backup', 'status'])
  t.match(after, [{ usable: true }])
  t.not(after[0]!['createdAt'], before[0]!['createdAt'])
})
