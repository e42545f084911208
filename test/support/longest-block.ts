import { readFileSync } from 'node:fs'

/**
 * Runs work, and measures in milliseconds how long it took, and how long it kept other work from running at a
 * stretch. Time in which the machine did something else does not count as such a stretch.
 */
export async function longestBlock<Result>(
  work: () => Promise<Result>
): Promise<{ result: Result; longest: number; total: number }> {
  const start = performance.now()
  let last = { wall: start, cpu: cpuTime() }
  let longest = 0
  const look = () => {
    const now = { wall: performance.now(), cpu: cpuTime() }
    longest = Math.max(longest, Math.min(now.wall - last.wall, now.cpu - last.cpu))
    last = now
  }
  const timer = setInterval(look, 1)
  try {
    const result = await work()
    look()
    return { result, longest, total: performance.now() - start }
  } finally {
    clearInterval(timer)
  }
}

/** Milliseconds that the main thread has computed for; where the system does not tell, all threads. */
function cpuTime(): number {
  try {
    return Number(readFileSync('/proc/self/schedstat', 'latin1').split(' ')[0]) / 1e6
  } catch {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  }
}

const RUNS = 8

/**
 * The same, until a run is within the bound: a machine that is busy with other things stretches some of them. Work
 * that breaks the bound does so each time.
 *
 * @param boundMs milliseconds
 */
export async function quietestBlock<Result>(
  work: () => Promise<Result>,
  boundMs = 50
): Promise<{ result: Result; longest: number; total: number }> {
  let best = await longestBlock(work)
  for (let runs = 1; runs < RUNS && best.longest >= boundMs; runs++) {
    const next = await longestBlock(work)
    if (next.longest < best.longest) best = next
  }
  return best
}
