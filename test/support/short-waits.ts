import type { Scope } from './server-process.js'

/** Request time-outs and the silence of a stream are longer than this, and stay. */
const LONGEST_MS = 20_000
/** So does the time-out of a refresh, which is exactly this. */
const REFRESH_MS = 5000

/**
 * Until the owner ends, the waits of this process end at once: those between attempts, and those before a client goes on
 * by itself. Tests that advance a clock of their own call it.
 */
export function shortenWaits(owner: Scope): void {
  const real = globalThis.setTimeout
  const short = (work: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
    real(work, ms > LONGEST_MS || ms === REFRESH_MS ? ms : 0, ...args)
  const set = (value: unknown) =>
    Object.defineProperty(globalThis, 'setTimeout', { value, configurable: true, writable: true })
  set(short)
  owner.teardown(() => set(real))
}
