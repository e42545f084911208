import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { DataDirLocked, lockDataDir } from '../../src/server/db/data-dir-lock.js'

t.setTimeout(180_000)

function dataDir(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'lock-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'data')
}

const contender = `
  import { lockDataDir } from ${JSON.stringify(new URL('../../src/server/db/data-dir-lock.js', import.meta.url))}
  process.stdin.on('end', () => process.exit()).once('data', async () => {
    const lock = await lockDataDir(process.argv[1]).catch(error => error)
    console.log(lock.release ? 'won' : lock.name + ': ' + lock.message)
  })
  console.log('ready')
`

/** A process that tries for the lock when it is told to. */
class Contender {
  readonly process: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(dir: string) {
    this.process = spawn(process.execPath, ['--input-type=module', '-e', contender, dir], {
      stdio: ['pipe', 'pipe', 'inherit']
    })
    this.#lines = createInterface({ input: this.process.stdout! })[Symbol.asyncIterator]()
  }

  async says(): Promise<string> {
    return ((await this.#lines.next()).value as string | undefined) ?? 'ended'
  }

  go(): void {
    this.process.stdin!.write('go\n')
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    this.process.kill(signal)
    await once(this.process, 'exit')
  }
}

async function start(dir: string, count: number): Promise<Contender[]> {
  const contenders = Array.from({ length: count }, () => new Contender(dir))
  for (const one of contenders) await one.says()
  return contenders
}

t.test('A data directory is made for its owner only', async (t) => {
  const dir = dataDir(t)
  const lock = await lockDataDir(dir)
  t.equal(statSync(dir).mode & 0o777, 0o700)
  await lock.release()
})

t.test('A second process is refused with a sentence that names the first', async (t) => {
  const dir = dataDir(t)
  const lock = await lockDataDir(dir)
  const [second] = (await start(dir, 1)) as [Contender]
  second.go()
  const answer = await second.says()
  t.match(answer, /^DataDirLocked: The data directory .* is in use by another process \(/)
  t.ok(answer.includes(dir))
  t.ok(answer.includes(hostname().slice(0, 8)))
  if (process.platform === 'linux') t.ok(answer.includes(`pid ${process.pid} `))
  await second.end('SIGKILL')
  await lock.release()
})

t.test('A process that holds a data directory cannot open it a second time', async (t) => {
  const dir = dataDir(t)
  const lock = await lockDataDir(dir)
  await t.rejects(lockDataDir(dir), DataDirLocked)
  await lock.release()
})

t.test('After its release the next one gets in, and a second release takes nothing from it', async (t) => {
  const dir = dataDir(t)
  const first = await lockDataDir(dir)
  await first.release()
  const second = await lockDataDir(dir)
  await first.release()
  await t.rejects(lockDataDir(dir), DataDirLocked)
  await second.release()
})

t.test('What a killed process left behind is taken over, even if this process has its pid', async (t) => {
  const dir = dataDir(t)
  const [first] = (await start(dir, 1)) as [Contender]
  first.go()
  t.equal(await first.says(), 'won')
  await first.end('SIGKILL')
  // A container's server is pid 1 in every container: its remains bear the pid of the next one.
  const turn = join(dir, 'lock', '2')
  symlinkSync(`holder-${process.pid}-${hostname()}-00000000`, turn)
  writeFileSync(join(dir, 'lock', `holder-${process.pid}-${hostname()}-00000000`), '')
  const lock = await lockDataDir(dir)
  t.strictSame(
    readdirSync(join(dir, 'lock')).map((name) => name.replace(/^holder-.*/, 'holder')),
    ['3', 'holder'],
    'nothing heaps up'
  )
  await lock.release()
})

t.test('A process that is stopped but not dead keeps its data directory', async (t) => {
  const dir = dataDir(t)
  const [first] = (await start(dir, 1)) as [Contender]
  first.go()
  t.equal(await first.says(), 'won')
  first.process.kill('SIGSTOP')
  await t.rejects(lockDataDir(dir), DataDirLocked)
  await first.end('SIGKILL')
  await (await lockDataDir(dir)).release()
})

t.test('Of eight processes that start at once, exactly one takes over from a dead one', async (t) => {
  const dir = dataDir(t)
  for (let round = 1; round <= 8; round++) {
    const contenders = await start(dir, 8)
    for (const one of contenders) one.go()
    const answers = await Promise.all(contenders.map((one) => one.says()))
    t.equal(answers.filter((answer) => answer === 'won').length, 1, `round ${round}`)
    t.equal(answers.filter((answer) => answer.startsWith('DataDirLocked')).length, 7)
    await Promise.all(contenders.map((one) => one.end('SIGKILL')))
  }
})

const linuxOnly = process.platform === 'linux' ? {} : { skip: 'not Linux' }
t.test('A path that is too long for a socket address can be locked on Linux', linuxOnly, async (t) => {
  const dir = join(dataDir(t), 'a'.repeat(150))
  const lock = await lockDataDir(dir)
  await t.rejects(lockDataDir(dir), DataDirLocked)
  await lock.release()
  await (await lockDataDir(dir)).release()
})

t.test('A network file system is refused, since another machine could open it unseen', async (t) => {
  await t.rejects(
    lockDataDir(dataDir(t), () => 0x6969),
    { message: /cannot be locked: it is on a network file system \(NFS\)\. Put it on a local disk/ }
  )
})

t.test('A folder that cannot hold a lock is refused with the reason', async (t) => {
  const dir = dataDir(t)
  await (await lockDataDir(dir)).release()
  rmSync(join(dir, 'lock'), { recursive: true })
  writeFileSync(join(dir, 'lock'), '')
  await t.rejects(lockDataDir(dir), { code: 'EEXIST' })
})
