import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { dieTogether, type Scope } from '../test/support/server-process.js'
import type { Commands } from './load/commands.js'

/** Runs a command in the load generator. */
export type Load = <C extends keyof Commands>(
  command: C,
  plan: Parameters<Commands[C]>[0]
) => ReturnType<Commands[C]>

/** Starts the load generator in its own process. It runs one command at a time. */
export function startLoad(owner: Scope): Load {
  const child = fork(join(import.meta.dirname, 'load/main.js'), { serialization: 'advanced' })
  dieTogether(child)
  owner.teardown(() => child.kill())
  const run = async (command: string, plan: unknown): Promise<unknown> => {
    child.send({ command, plan })
    const [response] = (await once(child, 'message')) as [{ result: unknown; error?: string }]
    if (response.error !== undefined) throw new Error(response.error)
    return response.result
  }
  return run as Load
}
