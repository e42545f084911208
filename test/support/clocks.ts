import type { Test } from 'tap'

let ahead = 0
let isInstalled = false

/**
 * Until the test ends, the clocks of this process, and of a server in it, are ahead by this many
 * milliseconds.
 */
export function advanceClocks(t: Test, ms: number): void {
  if (!isInstalled)
    for (const clock of [Date, performance]) {
      const now = clock.now.bind(clock)
      Object.defineProperty(clock, 'now', { value: () => now() + ahead, configurable: true, writable: true })
    }
  isInstalled = true
  ahead += ms
  t.teardown(() => (ahead -= ms))
}
