import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { dieTogether, type Owner } from '../test/support/server-process.js'
import type { Commands } from './load/commands.js'

type Plan<C extends keyof Commands> = Parameters<Commands[C]>[0]
type Result<C extends keyof Commands> = Awaited<ReturnType<Commands[C]>>

export type Load = <C extends keyof Commands>(command: C, plan: Plan<C>) => Promise<Result<C>>

/** The load generator, in a process of its own. It does one thing at a time. */
export function startLoad(owner: Owner): Load {
  const child = fork(join(import.meta.dirname, 'load/main.js'), { serialization: 'advanced' })
  dieTogether(child)
  owner.teardown(() => child.kill())
  return async <C extends keyof Commands>(command: C, plan: Plan<C>) => {
    child.send({ command, plan })
    const [answer] = (await once(child, 'message')) as [{ result: Result<C>; error?: string }]
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer.result
  }
}
