import { readFileSync } from 'node:fs'

/** The processes that a process has started, and that run; none if it has ended, or where /proc does not tell. */
export function childrenOf(pid: number): number[] {
  let pids: string
  try {
    pids = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  } catch {
    return []
  }
  return pids.trim().split(' ').filter(Boolean).map(Number)
}

/** Whether there is a process, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
