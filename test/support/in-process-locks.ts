type Work<T> = () => Promise<T>

/** `navigator.locks` for one process that plays several tabs: Node.js 20 has none. */
export function inProcessLocks() {
  const last = new Map<string, Promise<unknown>>()
  return {
    async request<T>(name: string, { signal }: { signal: AbortSignal }, work: Work<T>): Promise<T> {
      const before = last.get(name)
      let end = () => {}
      const mine = new Promise<void>((resolve) => (end = resolve))
      last.set(
        name,
        mine.then(() => before)
      )
      const aborted = new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      })
      // A signal's timer does not keep Node.js alive.
      const waiting = setInterval(() => {}, 1000)
      try {
        await Promise.race([before, aborted])
        return await work()
      } finally {
        clearInterval(waiting)
        end()
      }
    }
  }
}
