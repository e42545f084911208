import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { isAlive } from './children.js'
import { DEADLINE_MS } from './eventually.js'
import { findBinaries, type Binaries } from './postgres-binaries.js'
import { dieTogether, freePort, type Scope } from './server-process.js'

const run = promisify(execFile)

export interface Postgres {
  /** A fresh, empty database. */
  readonly url: string
  /**
   * One more, for a second server that must share nothing with the first. Answers with its address.
   *
   * @param template the address of a database to copy, to which nobody is connected
   */
  newDatabase(template?: string): Promise<string>
  /** These need a cluster of our own: they throw on TEST_DATABASE_URL. */
  stop(): Promise<void>
  /** An immediate shutdown: connections are dropped, and nothing is put in order. */
  abort(): Promise<void>
  kill(): Promise<void>
  restart(): Promise<void>
  /** Start it if it has ended by itself. */
  revive(): Promise<void>
  /** A standby with what this one, which was killed, has written. @returns the address of the same database there */
  standby(): Promise<string>
}

async function query(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query(text)
  } finally {
    await client.end()
  }
}

function inside(url: string, database: string): string {
  const whole = new URL(url)
  whole.pathname = `/${database}`
  return whole.href
}

const nameIn = (url: string): string => new URL(url).pathname.slice(1)

async function newDatabaseIn(server: string, template?: string): Promise<string> {
  const name = `secure_chat_test_${randomBytes(6).toString('hex')}`
  const copied = template === undefined ? '' : ` TEMPLATE ${nameIn(template)}`
  await query(server, `CREATE DATABASE ${name}${copied}`)
  return inside(server, name)
}

async function given(owner: Scope, server: string): Promise<Postgres> {
  const made: string[] = []
  const newDatabase = async (template?: string): Promise<string> => {
    const url = await newDatabaseIn(server, template)
    made.push(url)
    return url
  }
  owner.teardown(async () => {
    for (const url of made) await query(server, `DROP DATABASE ${nameIn(url)} WITH (FORCE)`)
  })
  const refuse = (): Promise<never> => Promise.reject(new Error('TEST_DATABASE_URL is not ours to stop'))
  return {
    url: await newDatabase(),
    newDatabase,
    stop: refuse,
    abort: refuse,
    kill: refuse,
    restart: refuse,
    revive: refuse,
    standby: refuse
  }
}

export interface ClusterOptions {
  /** Where its data is made; by default a temporary folder. */
  readonly folder?: string
  readonly settings?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Whether this process may end while the cluster runs. */
  readonly unref?: boolean
}

class Cluster {
  readonly #binaries: Binaries
  readonly #data: string
  readonly #port: number
  readonly #options: ClusterOptions
  #child: ChildProcess | undefined
  #output = ''

  constructor(binaries: Binaries, data: string, port: number, options: ClusterOptions) {
    this.#binaries = binaries
    this.#data = data
    this.#port = port
    this.#options = options
  }

  get server(): string {
    return `postgres://postgres@127.0.0.1:${this.#port}/postgres`
  }

  async #launch(): Promise<boolean> {
    const { settings = [], env = {} } = this.#options
    const set = ['max_connections=200', 'log_min_messages=fatal', ...settings].flatMap((one) => ['-c', one])
    const options = ['-D', this.#data, '-h', '127.0.0.1', '-p', String(this.#port), '-k', '', ...set]
    const child = spawn(join(this.#binaries.bin, 'postgres'), options, {
      ...this.#binaries.runAs,
      cwd: '/',
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe']
    })
    this.#child = child
    dieTogether(child)
    if (this.#options.unref) {
      child.unref()
      ;(child.stderr as Socket).unref()
    }
    child.once('error', (error) => (this.#output += error.message))
    child.stderr.setEncoding('utf8')
    child.stderr.on('data', (text: string) => (this.#output = (this.#output + text).slice(-65_536)))
    for (const until = Date.now() + DEADLINE_MS; Date.now() < until; await sleep(20)) {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return false
      const up = await query(this.server, 'SELECT 1').then(
        () => true,
        () => false
      )
      if (up) return true
    }
    return false
  }

  /** After a kill -9 of the first process the others take a moment to notice, and block the next start. */
  async start(): Promise<void> {
    for (let tries = 0; tries < 20; tries++, await sleep(250)) if (await this.#launch()) return
    throw new Error(`PostgreSQL did not start:\n${this.#output}`)
  }

  get isRunning(): boolean {
    return this.#child?.exitCode === null && this.#child.signalCode === null
  }

  async end(signal: 'SIGINT' | 'SIGQUIT' | 'SIGKILL'): Promise<void> {
    const child = this.#child
    if (child === undefined || !this.isRunning) return
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    // Else a process that has nothing else to do would end first, and leave the data.
    child.ref()
    child.kill(signal)
    await gone
  }
}

const DATA = 'secure-chat-pg-data-'

/** For the data of a cluster, named after this process. Folders of processes that were killed are removed: they may be in memory. */
async function newDataFolder(parent: string): Promise<string> {
  for (const name of await readdir(parent)) {
    const pid = name.startsWith(DATA) ? Number.parseInt(name.slice(DATA.length), 10) : process.pid
    // Another user's folder cannot be removed.
    if (!isAlive(pid)) await rm(join(parent, name), { recursive: true, force: true }).catch(() => undefined)
  }
  return mkdtemp(join(parent, `${DATA}${process.pid}-`))
}

/**
 * A real PostgreSQL with its default durability: TEST_DATABASE_URL, else the binaries from npm, else those of
 * the machine. A text is the reason why there is none, for the tests to be skipped with.
 * @throws on CI when there is none: there a skipped test is a failed one.
 */
export async function findPostgres(owner: Scope, options: ClusterOptions = {}): Promise<Postgres | string> {
  const server = process.env['TEST_DATABASE_URL']
  if (server !== undefined && server !== '') return given(owner, server)
  const binaries = await findBinaries()
  if (typeof binaries === 'string') {
    if (process.env['CI'] !== undefined) throw new Error(binaries)
    return binaries
  }
  const folder = await newDataFolder(options.folder ?? tmpdir())
  const { uid, gid } = binaries.runAs
  if (uid !== undefined && gid !== undefined) await chown(folder, uid, gid)
  const data = join(folder, 'data')
  await run('cp', ['-R', '-p', binaries.template, data], { ...binaries.runAs, cwd: '/' })
  const cluster = new Cluster(binaries, data, await freePort(), options)
  const standbys: Cluster[] = []
  owner.teardown(async () => {
    for (const one of [cluster, ...standbys]) await one.end('SIGQUIT')
    await rm(folder, { recursive: true, force: true, maxRetries: 10 })
  })
  await cluster.start()
  const newDatabase = (template?: string): Promise<string> => newDatabaseIn(cluster.server, template)
  const own = await newDatabase()
  return {
    url: own,
    newDatabase,
    stop: () => cluster.end('SIGINT'),
    abort: () => cluster.end('SIGQUIT'),
    kill: () => cluster.end('SIGKILL'),
    restart: async () => {
      await cluster.end('SIGINT')
      await cluster.start()
    },
    revive: async () => {
      if (!cluster.isRunning) await cluster.start()
    },
    standby: async () => {
      const copy = join(folder, `standby-${standbys.length}`)
      await run('cp', ['-R', '-p', data, copy], { ...binaries.runAs, cwd: '/' })
      await rm(join(copy, 'postmaster.pid'), { force: true })
      await writeFile(join(copy, 'standby.signal'), '')
      const standby = new Cluster(binaries, copy, await freePort(), options)
      standbys.push(standby)
      await standby.start()
      return inside(standby.server, nameIn(own))
    }
  }
}

/** For a tap file: `undefined` means that the whole file is skipped, with the one line saying why. */
export async function startPostgres(
  t: Scope & { plan(count: number, reason: string): void }
): Promise<Postgres | undefined> {
  const found = await findPostgres(t)
  if (typeof found !== 'string') return found
  t.plan(0, found)
  return undefined
}
