import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { runCommand } from '../../src/cli/run.js'
import { useReadyKeys } from './ready-keys.js'
import type { Scope } from './server-process.js'

export interface Outcome {
  /** Null if a signal has ended it. */
  code: number | null
  out: string
  err: string
}

export interface Given {
  stdin?: string | Uint8Array
  env?: Readonly<Record<string, string>>
}

/** Runs the command line as a person would, with a home of one's own that is gone with the test. */
export type CommandLine = (line: string | readonly string[], given?: Given) => Promise<Outcome>

export function commandLine(owner: Scope, env: Readonly<Record<string, string>> = {}): CommandLine {
  const home = mkdtempSync(join(tmpdir(), 'secure-chat-home-'))
  owner.teardown(() => rmSync(home, { recursive: true, force: true }))
  return (line, given = {}) => {
    const argv = typeof line === 'string' ? line.split(' ').filter(Boolean) : line
    const defaults = { SECURE_CHAT_HOME: home, SECURE_CHAT_PASSWORD: PASSWORD }
    return runHere(argv, { ...given, env: { ...defaults, ...env, ...given.env } })
  }
}

/** Runs a command line in this process, which spares it a start. */
export async function runHere(argv: readonly string[], { stdin, env = {} }: Given): Promise<Outcome> {
  useReadyKeys()
  const [out, err] = [new PassThrough(), new PassThrough()]
  const code = await runCommand({
    argv,
    env,
    stdin: Readable.from(stdin === undefined ? [] : [Buffer.from(stdin)]),
    stdout: out,
    stderr: err,
    signal: new AbortController().signal
  })
  return { code, out: written(out), err: written(err) }
}

/** The password of every account that a test makes. */
export const PASSWORD = 'correct horse battery staple 42'

function written(stream: PassThrough): string {
  return ((stream.read() as Buffer | null) ?? '').toString()
}
