import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand } from '../../src/cli/run.js'
import { PASSWORD } from './chat-clients.js'
import { useReadyKeys } from './ready-keys.js'
import type { Scope } from './server-process.js'
import { Keyboard, Terminal, type Cells } from './terminal.js'

/** A command that runs on a terminal. */
export interface AtTerminal {
  keyboard: Keyboard
  screen: Terminal
  ended: Promise<number>
  interrupt: () => void
}

export type StartAtTerminal = (argv: readonly string[], columns?: number, cells?: Cells) => AtTerminal

/**
 * A home for profiles, whose commands run on terminals, each on one of its own.
 *
 * @param more variables; an empty password has the commands ask for it
 */
export function atTerminal(
  owner: Scope,
  url: string,
  more: Readonly<Record<string, string>> = {}
): StartAtTerminal {
  useReadyKeys()
  const home = mkdtempSync(join(tmpdir(), 'secure-chat-home-'))
  owner.teardown(() => rmSync(home, { recursive: true, force: true }))
  const account = { SECURE_CHAT_HOME: home, SECURE_CHAT_URL: url, SECURE_CHAT_PASSWORD: PASSWORD }
  const env = { ...account, NO_COLOR: '1', ...more }
  return (argv, columns = 80, cells = {}) => {
    const [stdin, screen, abort] = [new Keyboard(), new Terminal(columns, cells), new AbortController()]
    const streams = { stdin, stdout: screen, stderr: screen, signal: abort.signal }
    const ended = runCommand({ argv, env, ...streams })
    owner.teardown(() => abort.abort())
    return { keyboard: stdin, screen, ended, interrupt: () => abort.abort() }
  }
}
