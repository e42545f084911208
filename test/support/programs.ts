import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DEADLINE_MS } from './eventually.js'
import type { RunAs } from './postgres-binaries.js'
import { dieTogether, type Scope } from './server-process.js'

const FOLDERS = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']

/**
 * Where one of these programs is on this machine. A text is the reason for which tests are skipped.
 * @throws on CI when there is none: there a skipped test is a failed one.
 */
export function findProgram(...names: string[]): { path: string } | string {
  const paths = names.flatMap((name) => FOLDERS.map((folder) => join(folder, name)))
  const path = paths.find((candidate) => existsSync(candidate))
  if (path !== undefined) return { path }
  const reason = `no ${names.join(', no ')} on this machine`
  if (process.env['CI'] !== undefined) throw new Error(reason)
  return reason
}

export interface Daemon {
  readonly pid: number
  /** kill -9 */
  kill: () => Promise<void>
}

/** Start a program that listens on this port, and wait until it does. It ends with its owner. */
export async function startDaemon(
  owner: Scope,
  port: number,
  path: string,
  args: readonly string[],
  as: RunAs = {}
): Promise<Daemon> {
  const child = spawn(path, args, { ...as, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] })
  dieTogether(child)
  let output = ''
  child.once('error', (error) => (output += error.message))
  for (const pipe of [child.stdout, child.stderr])
    pipe.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-65_536)))
  const kill = () => ended(child)
  owner.teardown(kill)
  for (const until = Date.now() + DEADLINE_MS; !(await listens(port)); await sleep(20))
    if (Date.now() > until || child.pid === undefined || child.exitCode !== null)
      throw new Error(`${path} did not start:\n${output}`)
  return { pid: child.pid!, kill }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const say = (answer: boolean) => () => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', say(true)).once('error', say(false))
  })
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGKILL')
  // One that was stopped dies at once too, but only a process that runs can be waited for.
  child.kill('SIGCONT')
  await gone
}
