import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { acquireLock, LockHeld } from '../../src/node/lock.js'

function lockFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'lock-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const contender = `
  import { acquireLock } from ${JSON.stringify(new URL('../../src/node/lock.js', import.meta.url))}
  process.stdin.on('end', () => process.exit()).once('data', async () => {
    const lock = await acquireLock(process.argv[1], 0).catch(error => error)
    console.log(lock.release ? 'won' : lock.name + ': ' + lock.message)
  })
  console.log('ready')
`

/** A process that tries for the lock when it is told to. */
class Contender {
  readonly process: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(folder: string) {
    this.process = spawn(process.execPath, ['--input-type=module', '-e', contender, folder], {
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

async function start(folder: string, count: number): Promise<Contender[]> {
  const contenders = Array.from({ length: count }, () => new Contender(folder))
  for (const one of contenders) await one.says()
  return contenders
}

t.test('A second process is refused with a sentence that names the first', async (t) => {
  const folder = lockFolder(t)
  const lock = await acquireLock(folder, 0)
  const [second] = (await start(folder, 1)) as [Contender]
  second.go()
  const answer = await second.says()
  t.match(answer, /^LockHeld: .* is locked by another process \(/)
  t.ok(answer.includes(folder))
  t.ok(answer.includes(hostname().slice(0, 8)))
  if (process.platform === 'linux') t.ok(answer.includes(`pid ${process.pid} `))
  await second.end('SIGKILL')
  await lock.release()
})

t.test('A process that holds a lock cannot take it a second time', async (t) => {
  const folder = lockFolder(t)
  const lock = await acquireLock(folder, 0)
  await t.rejects(acquireLock(folder, 0), LockHeld)
  await lock.release()
})

t.test('After its release the next one gets in, and a second release takes nothing from it', async (t) => {
  const folder = lockFolder(t)
  const first = await acquireLock(folder, 0)
  await first.release()
  const second = await acquireLock(folder, 0)
  await first.release()
  await t.rejects(acquireLock(folder, 0), LockHeld)
  await second.release()
})

t.test('The remains of a killed process are taken over, even if this process has its pid', async (t) => {
  const folder = lockFolder(t)
  const [first] = (await start(folder, 1)) as [Contender]
  first.go()
  t.equal(await first.says(), 'won')
  await first.end('SIGKILL')
  // A container's server is pid 1 in every container: its remains bear the pid of the next one.
  symlinkSync(`holder-${process.pid}-${hostname()}-00000000`, join(folder, '2'))
  writeFileSync(join(folder, `holder-${process.pid}-${hostname()}-00000000`), '')
  const lock = await acquireLock(folder, 0)
  t.strictSame(
    readdirSync(folder).map((name) => name.replace(/^holder-.*/, 'holder')),
    ['3', 'holder'],
    'nothing heaps up'
  )
  await lock.release()
})

t.test('A process that is stopped but not dead keeps its lock', async (t) => {
  const folder = lockFolder(t)
  const [first] = (await start(folder, 1)) as [Contender]
  first.go()
  t.equal(await first.says(), 'won')
  first.process.kill('SIGSTOP')
  await t.rejects(acquireLock(folder, 0), LockHeld)
  await first.end('SIGKILL')
  await (await acquireLock(folder, 0)).release()
})

t.test('A process that waits gets the lock as soon as its holder is killed', async (t) => {
  const folder = lockFolder(t)
  const [first] = (await start(folder, 1)) as [Contender]
  first.go()
  t.equal(await first.says(), 'won')
  const waiting = acquireLock(folder, 60_000)
  await first.end('SIGKILL')
  const killed = performance.now()
  const lock = await waiting
  t.ok(performance.now() - killed < 10_000, 'long before its patience ends')
  await lock.release()
})

t.test('If eight processes start at once, exactly one takes over from a dead one', async (t) => {
  const folder = lockFolder(t)
  for (let round = 1; round <= 8; round++) {
    const contenders = await start(folder, 8)
    for (const one of contenders) one.go()
    const answers = await Promise.all(contenders.map((one) => one.says()))
    t.equal(answers.filter((answer) => answer === 'won').length, 1, `round ${round}`)
    t.equal(answers.filter((answer) => answer.startsWith('LockHeld')).length, 7)
    await Promise.all(contenders.map((one) => one.end('SIGKILL')))
  }
})

const linuxOnly = process.platform === 'linux' ? {} : { skip: 'not Linux' }
t.test('A path that is too long for a socket address can be locked on Linux', linuxOnly, async (t) => {
  const folder = join(lockFolder(t), 'a'.repeat(150))
  mkdirSync(folder)
  const lock = await acquireLock(folder, 0)
  await t.rejects(acquireLock(folder, 0), LockHeld)
  await lock.release()
  await (await acquireLock(folder, 0)).release()
})
