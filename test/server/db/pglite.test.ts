import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { DataDirLocked, lockDataDir } from '../../../src/server/db/data-dir-lock.js'
import { openPglite } from '../../../src/server/db/pglite.js'
import { QUICK } from '../../support/server-process.js'

t.setTimeout(300_000)

const root = mkdtempSync(join(tmpdir(), 'pglite-'))
t.teardown(() => rmSync(root, { recursive: true, force: true }))

/** The one that most tests share. */
const dataDir = join(root, 'data')

let fsyncs = 0
function countedFsync(fd: number): void {
  fsyncs += 1
  fsyncSync(fd)
}

function mode(path: string): number {
  return statSync(path).mode & 0o777
}

/** A server that holds `dir` and adds rows one by one, saying each number once it is committed. */
function startWriter(t: Test, dir: string): ChildProcess {
  const code = `
    import { lockDataDir } from ${JSON.stringify(new URL('../../../src/server/db/data-dir-lock.js', import.meta.url))}
    import { openPglite } from ${JSON.stringify(new URL('../../../src/server/db/pglite.js', import.meta.url))}
    await lockDataDir(process.argv[1])
    const pglite = await openPglite(process.argv[1])
    await pglite.exec('CREATE TABLE IF NOT EXISTS written (n integer)')
    for (let n = 1; ; n++) {
      await pglite.query('INSERT INTO written VALUES ($1)', [n])
      console.log(n)
    }
  `
  const child = spawn(process.execPath, [...QUICK, '--input-type=module', '-e', code, dir], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) throw new Error('it had ended by itself')
  child.kill('SIGKILL')
  await once(child, 'exit')
}

t.test('The first start makes the database, durably and for its owner only', async (t) => {
  const pglite = await openPglite(dataDir, { fsync: countedFsync })
  const folder = join(dataDir, 'pgdata')
  t.equal(mode(dataDir), 0o700)
  t.equal(mode(folder), 0o700)
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  t.ok(fsyncs >= names.length, `${fsyncs} calls of fsync for ${names.length} files and folders`)
  const open = names.filter((name) => (mode(join(folder, name)) & 0o022) !== 0)
  t.strictSame(open, [], 'PGlite makes files that everybody may write')
  await pglite.exec('CREATE TABLE kept (n integer)')
  await pglite.close()
  t.strictSame(readdirSync(dataDir), ['pgdata'])
})

t.test('Every commit is on the disk before it is answered', async (t) => {
  const pglite = await openPglite(dataDir, { fsync: countedFsync })
  for (let n = 1; n <= 50; n++) {
    const before = fsyncs
    await pglite.query('INSERT INTO kept VALUES ($1)', [n])
    t.ok(fsyncs > before, `commit ${n}`)
  }
  const before = fsyncs
  await pglite.transaction(async (tx) => {
    for (let n = 51; n <= 100; n++) await tx.query('INSERT INTO kept VALUES ($1)', [n])
  })
  t.equal(fsyncs - before, 1, 'one for a transaction of 50 rows')
  const { rows } = await pglite.query('SELECT 1 FROM kept')
  t.equal(rows.length, 100)
  t.equal(fsyncs - before, 1, 'none for reading')
  await pglite.exec('CHECKPOINT')
  t.ok(fsyncs - before > 5, 'a checkpoint makes the tables last')
  await pglite.close()
})

t.test('PostgreSQL writes with fsync, whole pages and checksums', async (t) => {
  const pglite = await openPglite(dataDir)
  const { rows } = await pglite.query<{ name: string; setting: string }>(
    `SELECT name, setting FROM pg_settings
     WHERE name IN ('fsync', 'wal_sync_method', 'synchronous_commit', 'full_page_writes', 'data_checksums')`
  )
  t.strictSame(Object.fromEntries(rows.map(({ name, setting }) => [name, setting])), {
    data_checksums: 'on',
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    wal_sync_method: 'fsync'
  })
  await pglite.close()
})

t.test('A commit that the disk refuses fails, and so do all later ones, at once', async (t) => {
  let broken = false
  const crashes: Error[] = []
  const pglite = await openPglite(dataDir, {
    fsync(fd) {
      if (broken) throw Object.assign(new Error('broken'), { code: 'EIO' })
      fsyncSync(fd)
    },
    onCrash: (error) => crashes.push(error)
  })
  broken = true
  await t.rejects(pglite.query('INSERT INTO kept VALUES (101)'), {
    message: /could not fsync file .*: I\/O error/
  })
  const stopped = { message: /has stopped: could not fsync file .*: I\/O error\.$/ }
  t.match(crashes, [stopped])
  await t.rejects(pglite.query('SELECT 1'), stopped)
  await t.rejects(
    pglite.transaction(async (tx) => tx.query('SELECT 1')),
    stopped
  )
  await pglite.close()
  t.equal(crashes.length, 1)
  broken = false
  const again = await openPglite(dataDir)
  const { rows } = await again.query('SELECT 1 FROM kept WHERE n <= 100')
  t.equal(rows.length, 100, 'what was committed before is there')
  await again.close()
})

t.test('Each 16 MiB of the write-ahead log bring a checkpoint, and older files go', async (t) => {
  const pglite = await openPglite(dataDir)
  await pglite.exec('CREATE TABLE bulk (text text)')
  const log = async () => {
    const { rows } = await pglite.query<{ written: number; sinceCheckpoint: number }>(
      `SELECT (pg_current_wal_lsn() - '0/0')::float8 / 1048576 AS written,
         (pg_current_wal_lsn() - redo_lsn)::float8 / 1048576 AS "sinceCheckpoint" FROM pg_control_checkpoint()`
    )
    return rows[0]!
  }
  const before = await log()
  let [mostMib, mostSegments] = [0, 0]
  for (let round = 0; round < 60; round++) {
    // 2 MiB each.
    await pglite.exec(`INSERT INTO bulk SELECT repeat(md5(i::text), 30) FROM generate_series(1, 2000) i`)
    mostMib = Math.max(mostMib, (await log()).sinceCheckpoint)
    const names = readdirSync(join(dataDir, 'pgdata', 'pg_wal')).filter((name) => name.length === 24)
    mostSegments = Math.max(mostSegments, names.length)
  }
  const written = (await log()).written - before.written
  t.ok(written > 16 * 6, `${written} MiB written`)
  t.ok(mostMib <= 20, `at most ${mostMib} MiB since the last checkpoint`)
  t.ok(mostSegments <= 3, `at most ${mostSegments} segments of 16 MiB kept`)
  await pglite.exec('DROP TABLE bulk')
  await pglite.close()
})

t.test('A database that does not open says why, in the words of PostgreSQL', async (t) => {
  const other = join(root, 'other')
  cpSync(dataDir, other, { recursive: true })
  writeFileSync(join(other, 'pgdata', 'PG_VERSION'), '9\n')
  await t.rejects(openPglite(other), {
    message: /pgdata does not open: .*incompatible.* initialized by PostgreSQL version 9,/
  })
  rmSync(join(other, 'pgdata', 'global'), { recursive: true })
  await t.rejects(openPglite(other), { message: /pgdata does not open: ./ })
})

t.test('A folder at the place of the database that is no database is left as it is', async (t) => {
  const other = join(root, 'foreign')
  mkdirSync(join(other, 'pgdata'), { recursive: true })
  writeFileSync(join(other, 'pgdata', 'letter.txt'), 'mine')
  await t.rejects(openPglite(other), { message: /pgdata is not empty and holds no database/ })
  t.strictSame(readdirSync(other, { recursive: true }).sort(), ['pgdata', 'pgdata/letter.txt'])
})

t.test(
  'While one server runs a second is refused, and after kill -9 every answered commit is there',
  async (t) => {
    const writer = startWriter(t, dataDir)
    for await (const line of createInterface({ input: writer.stdout! })) {
      if (line === '1') await t.rejects(lockDataDir(dataDir), DataDirLocked)
      if (line === '300') break
    }
    await kill(writer)
    const lock = await lockDataDir(dataDir)
    const pglite = await openPglite(dataDir)
    const { rows } = await pglite.query<{ n: number }>('SELECT n FROM written ORDER BY n')
    t.ok(rows.length >= 300, `${rows.length} rows`)
    t.strictSame(
      rows.map(({ n }) => n),
      rows.map((_, index) => index + 1)
    )
    await pglite.close()
    await lock.release()
  }
)

t.test('A server that is killed during its very first start does not harm the next one', async (t) => {
  const dir = join(root, 'killed')
  // The files are written one by one, so the worst moments are soon after PG_VERSION.
  const moments: [file: string, ms: number][] = [
    ['', 1000 * Math.random()],
    ['PG_VERSION', 0],
    ['PG_VERSION', 400 * Math.random()]
  ]
  mkdirSync(dir)
  const unfinished = () => readdirSync(dir).filter((name) => name.startsWith('pgdata.new-'))
  for (const [file, ms] of moments) {
    for (let wait = ms; ; wait /= 2) {
      const old = unfinished()
      const server = startWriter(t, dir)
      while (!unfinished().some((name) => !old.includes(name) && existsSync(join(dir, name, file))))
        await pause(2)
      await pause(wait)
      await kill(server)
      if (!existsSync(join(dir, 'pgdata'))) break
      // It was ready before.
      rmSync(join(dir, 'pgdata'), { recursive: true })
    }
    t.pass(`killed some ${Math.round(ms)} ms after ${file || 'its folder'}`)
    t.equal(unfinished().length, 1, 'and it had removed what the one before it left')
  }
  const lock = await lockDataDir(dir)
  const pglite = await openPglite(dir)
  await pglite.query('SELECT 1')
  t.strictSame(readdirSync(dir).sort(), ['lock', 'pgdata'], 'the remains are gone')
  await pglite.close()
  await lock.release()
})
