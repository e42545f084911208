import type { Test } from 'tap'

/**
 * Until the test ends, the clocks of this process, and of a server in it, are ahead by this many
 * milliseconds.
 */
export function advanceClocks(t: Test, ms: number): void {
  for (const clock of [Date, performance]) {
    const now = clock.now.bind(clock)
    t.intercept(clock, 'now', { value: () => now() + ms, configurable: true })
  }
}
