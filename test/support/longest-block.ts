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

/** Milliseconds that this process has computed for. */
function cpuTime(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** The same, the quietest of three runs: a machine that is busy with other things stretches any of them. */
export async function quietestBlock<Result>(
  work: () => Promise<Result>
): Promise<{ result: Result; longest: number; total: number }> {
  const runs = [await longestBlock(work), await longestBlock(work), await longestBlock(work)]
  return runs.sort((a, b) => a.longest - b.longest)[0]!
}
