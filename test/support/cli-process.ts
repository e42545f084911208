import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PASSWORD, runHere, type Given, type Outcome } from './command-line.js'
import { eventually } from './eventually.js'
import { dieTogether, type Scope } from './server-process.js'

/** The file that is installed as `secure-chat`. */
export const PROGRAM = join(import.meta.dirname, '../../src/cli/secure-chat.js')

/** The real program, in a process of its own, while it runs. */
export class CliProcess {
  readonly child: ChildProcess
  out = ''
  err = ''
  readonly #ended: Promise<unknown>

  constructor(
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    stdin: string | Uint8Array = ''
  ) {
    const { PATH } = process.env
    this.child = spawn(process.execPath, [PROGRAM, ...args], { env: { PATH, ...env }, stdio: 'pipe' })
    dieTogether(this.child)
    this.#ended = once(this.child, 'close')
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.out += text))
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.err += text))
    // A program that does not care for its stdin may be gone before it was written.
    this.child.stdin!.on('error', () => undefined).end(stdin)
  }

  /** Wait until it has written so. @throws with what it wrote if it has not in time */
  async shows(what: string | RegExp): Promise<void> {
    const isThere = () => `${this.out}\n${this.err}`.search(what) >= 0
    await eventually(isThere, String(what)).catch((error: unknown) => {
      throw new Error(`${this.out}\n${this.err}`, { cause: error })
    })
  }

  async ended(): Promise<Outcome> {
    await this.#ended
    return { code: this.child.exitCode, out: this.out, err: this.err }
  }

  /** End it as Ctrl-C does. */
  interrupted(): Promise<Outcome> {
    this.child.kill('SIGINT')
    return this.ended()
  }

  /** kill -9 */
  async killed(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.#ended
  }
}

/** A person's machine: a home with profiles, and a server to use. */
export class Machine {
  readonly home: string
  readonly #env: Readonly<Record<string, string>>

  constructor(home: string, url: string) {
    this.home = home
    this.#env = {
      SECURE_CHAT_HOME: home,
      SECURE_CHAT_URL: url,
      SECURE_CHAT_PASSWORD: PASSWORD,
      // No server runs on this machine, though one may in the folder that the tests run in.
      DATA_DIR: join(home, 'data')
    }
  }

  /** Start the program as somebody, in a process of its own. */
  start(profile: string, args: readonly string[], { stdin, env }: Given = {}): CliProcess {
    return new CliProcess(args, { ...this.#env, SECURE_CHAT_PROFILE: profile, ...env }, stdin)
  }

  /** Run a command to its end, in this process. */
  run(profile: string, args: readonly string[], { stdin, env }: Given = {}): Promise<Outcome> {
    const all = { ...this.#env, SECURE_CHAT_PROFILE: profile, ...env }
    return runHere(args, { env: all, ...(stdin !== undefined && { stdin }) })
  }

  /** The same, which has to go well. @returns what it wrote to stdout @throws with what it wrote to stderr */
  async ok(profile: string, args: readonly string[], given?: Given): Promise<string> {
    const { code, out, err } = await this.run(profile, args, given)
    if (code !== 0) throw new Error(`secure-chat ${args.join(' ')}: exit ${code}\n${err}`)
    return out
  }

  /** The same for commands that write a line of JSON each. */
  async json<T = Record<string, unknown>>(profile: string, args: readonly string[]): Promise<T[]> {
    return lines<T>(await this.ok(profile, [...args, '--json']))
  }

  /** Make accounts, each with a profile of its name. */
  async register(...names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => this.ok(name, ['register', name])))
  }
}

export async function machine(owner: Scope, url: string): Promise<Machine> {
  const home = await mkdtemp(join(tmpdir(), 'secure-chat-home-'))
  owner.teardown(() => rm(home, { recursive: true, force: true }))
  return new Machine(home, url)
}

/** Lines of JSON. */
export function lines<T = Record<string, unknown>>(text: string): T[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T)
}
