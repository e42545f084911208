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

/** Whether a process runs. One that has ended may stay in the list of processes until somebody asks for its exit code. */
export function isRunning(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== ''
  } catch {
    return false
  }
}
