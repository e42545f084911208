import { findProgram, startDaemon, type Daemon } from './programs.js'
import { freePort, type Scope } from './server-process.js'

/** The machine's Redis or Valkey, started for one test. It writes nothing to disk. */
export class Redis {
  readonly url: string
  readonly #owner: Scope
  readonly #port: number
  readonly #path: string
  #daemon: Daemon | undefined

  private constructor(owner: Scope, port: number, path: string) {
    this.url = `redis://127.0.0.1:${port}`
    this.#owner = owner
    this.#port = port
    this.#path = path
  }

  /** A text is the reason why there is none. */
  static async find(owner: Scope): Promise<Redis | string> {
    const program = findProgram('valkey-server', 'redis-server')
    if (typeof program === 'string') return program
    const redis = new Redis(owner, await freePort(), program.path)
    await redis.start()
    return redis
  }

  get pid(): number {
    return this.#daemon!.pid
  }

  async start(): Promise<void> {
    const args = ['--port', String(this.#port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
    this.#daemon = await startDaemon(this.#owner, this.#port, this.#path, args)
  }

  async kill(): Promise<void> {
    await this.#daemon?.kill()
  }
}
