/** Request time-outs and the silence of a stream are longer than this, and stay. */
const LONGEST_MS = 20_000

/**
 * From now on the waits of this process end at once: those between attempts, and those before a client goes on
 * by itself. Tests that advance a clock of their own call it.
 */
export function shortenWaits(): void {
  const real = globalThis.setTimeout
  const short = (work: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
    real(work, ms > LONGEST_MS ? ms : 0, ...args)
  Object.defineProperty(globalThis, 'setTimeout', { value: short, configurable: true, writable: true })
}
