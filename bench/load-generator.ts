import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { dieTogether, type Scope } from '../test/support/server-process.js'
import type { Commands } from './load/commands.js'

/** Has the load generator do something. */
export type Load = <C extends keyof Commands>(
  command: C,
  plan: Parameters<Commands[C]>[0]
) => ReturnType<Commands[C]>

/** The load generator, in a process of its own. It does one thing at a time. */
export function startLoad(owner: Scope): Load {
  const child = fork(join(import.meta.dirname, 'load/main.js'), { serialization: 'advanced' })
  dieTogether(child)
  owner.teardown(() => child.kill())
  const run = async (command: string, plan: unknown): Promise<unknown> => {
    child.send({ command, plan })
    const [answer] = (await once(child, 'message')) as [{ result: unknown; error?: string }]
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer.result
  }
  return run as Load
}
