import { fork } from 'node:child_process'
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
  const run = (command: string, plan: unknown): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const onExit = () => reject(new Error('the load generator has died'))
      child.once('exit', onExit)
      child.once('message', ({ result, error }: { result: unknown; error?: string }) => {
        child.off('exit', onExit)
        if (error === undefined) resolve(result)
        else reject(new Error(error))
      })
      child.send({ command, plan })
    })
  return run as Load
}
