import { spawn, type ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { copyEmptyDatabase } from './empty-database.js'
import { childrenOf, isAlive } from './children.js'
import { DEADLINE_MS, eventually } from './eventually.js'

/** Something that ends: a tap test, or the work of a script. */
export interface Scope {
  teardown(undo: () => unknown): void
}

export interface ServerOptions {
  readonly databaseUrl?: string
  /** Given, it outlives the server; by default a temporary folder goes with it. */
  readonly dataDir?: string
  readonly port?: number
  readonly env?: Readonly<Record<string, string>>
  readonly nodeOptions?: readonly string[]
}

function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder)
  return folder
}

/**
 * A TCP port that no other test gets while this process lives, though nobody listens on it yet or for a
 * while. It is below the range for outgoing connections, so that no client takes it either.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = 10_000 + Math.floor(Math.random() * 20_000)
    if ((await reserve(port)) && (await isFree(port))) return port
  }
  throw new Error('no free port was found')
}

/** A UDP socket of the same number marks a port as taken. It ends with this process, whatever happens. */
function reserve(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const mark = createSocket('udp4').unref()
    mark.once('error', () => resolve(false))
    mark.bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve(true))
  })
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}

/** How many processes each server on PostgreSQL has: all tests must hold with several. */
const WORKERS = process.env['TEST_WORKERS'] ?? '1'

/** A Redis through which these processes notify each other: all tests must hold with it. */
const REDIS_URL = process.env['TEST_REDIS_URL'] ?? ''

/** Several servers may start at once. */
const READY_MS = 2 * DEADLINE_MS

/** A connection that a dying process took is never answered: ask again. */
const PATIENCE_MS = 5000

/** The server writes this when all its processes listen. */
export const READY = 'is ready on'

/** PGlite is compiled quickly rather than well: most tests end before that pays. */
export const QUICK = ['--liftoff-only']

const alive = new Set<ChildProcess>()
let watching = false

/** A test process that dies takes its servers along; `kill` is the one thing an exit handler can still do. */
export function dieTogether(child: ChildProcess): void {
  alive.add(child)
  child.once('exit', () => alive.delete(child))
  if (watching) return
  watching = true
  process.on('exit', () => {
    for (const one of alive) one.kill('SIGKILL')
  })
}

/** A server's process, which can be killed and started again on the same port and data. */
export class ServerProcess {
  readonly port: number
  readonly url: string
  readonly dataDir: string
  readonly #options: ServerOptions
  #child: ChildProcess | undefined
  #workers: number[] = []
  #output = ''

  constructor(port: number, dataDir: string, options: ServerOptions) {
    this.port = port
    this.url = `http://127.0.0.1:${port}`
    this.dataDir = dataDir
    this.#options = options
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Everything it wrote to stdout and stderr, the newest 256 KiB of it. */
  get output(): string {
    return this.#output
  }

  /** Resident memory in MiB, where /proc tells. */
  get residentMiB(): number | undefined {
    try {
      const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))
      return line?.[1] === undefined ? undefined : Math.round(Number(line[1]) / 1024)
    } catch {
      return undefined
    }
  }

  /** Starts it and waits until it is ready. @throws with what it wrote if it ends or takes too long. */
  async start(): Promise<this> {
    if (this.running) throw new Error('the server is running already')
    const root = projectRoot()
    const { databaseUrl, env = {}, nodeOptions = QUICK } = this.#options
    const child = spawn(process.execPath, [...nodeOptions, join(root, 'build/src/server/main.js')], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        SERVER_HOST: '127.0.0.1',
        SERVER_PORT: String(this.port),
        DATA_DIR: this.dataDir,
        LOG_LEVEL: 'warn',
        RATE_LIMIT: 'off',
        CONTACT_POLICY: 'everyone',
        PASSWORD_ITERATIONS: '100000',
        RSA_KEY_SIZE: '2048',
        MAX_CLIENTS: '10000',
        REGISTRATION: 'open',
        ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl, WORKERS, REDIS_URL }),
        ...env
      }
    })
    this.#child = child
    dieTogether(child)
    for (const pipe of [child.stdout, child.stderr]) {
      pipe.setEncoding('utf8')
      pipe.on('data', (text: string) => (this.#output = (this.#output + text).slice(-262_144)))
    }
    for (const until = Date.now() + READY_MS; ; await sleep(25)) {
      if (!this.running) {
        throw new Error(`the server ended (${child.exitCode ?? child.signalCode}):\n${this.#output}`)
      }
      if (Date.now() > until) {
        await this.kill()
        throw new Error(`the server was not ready in ${READY_MS} ms:\n${this.#output}`)
      }
      const signal = AbortSignal.timeout(PATIENCE_MS)
      const answer = await fetch(`${this.url}/readyz`, { signal }).catch(() => undefined)
      await answer?.arrayBuffer().catch(() => undefined)
      const areAllUp = WORKERS === '1' || databaseUrl === undefined || this.#output.includes(READY)
      if (answer?.status === 200 && areAllUp) return this
    }
  }

  async #end(signal: NodeJS.Signals, graceMs: number): Promise<number | NodeJS.Signals | null> {
    const child = this.#child
    if (child === undefined || !this.running) return child?.exitCode ?? child?.signalCode ?? null
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    this.#workers.push(...childrenOf(child.pid!))
    child.kill(signal)
    const late = setTimeout(() => child.kill('SIGKILL'), graceMs)
    await gone
    clearTimeout(late)
    return child.exitCode ?? child.signalCode
  }

  /** kill -9 */
  kill(): Promise<number | NodeJS.Signals | null> {
    return this.#end('SIGKILL', 5_000)
  }

  /** kill -9, and wait for its workers, too: they notice a moment later, and write into its data until then. */
  async gone(): Promise<void> {
    await this.kill()
    await eventually(() => !this.#workers.some(isAlive), 'the workers end after their server')
  }

  /** SIGTERM; answers with its exit code, or `SIGKILL` if it had to be killed after the grace. */
  stop(graceMs = DEADLINE_MS): Promise<number | NodeJS.Signals | null> {
    return this.#end('SIGTERM', graceMs)
  }

  /** Ends it (kill -9 by default) and starts it again on the same port and data. */
  async restart(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<this> {
    await this.#end(signal, DEADLINE_MS)
    return this.start()
  }
}

/** A server in a process of its own, on a free port. It ends with its owner. */
export async function startServer(owner: Scope, options: ServerOptions = {}): Promise<ServerProcess> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'secure-chat-data-')))
  if (options.dataDir === undefined && options.databaseUrl === undefined) await copyEmptyDatabase(dataDir)
  let server: ServerProcess | undefined
  owner.teardown(async () => {
    await server?.gone()
    if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true })
  })
  for (let tries = 0; ; tries++) {
    server = new ServerProcess(options.port ?? (await freePort()), dataDir, options)
    try {
      return await server.start()
    } catch (error) {
      if (!server.output.includes('EADDRINUSE') || options.port !== undefined || tries === 3) throw error
    }
  }
}
