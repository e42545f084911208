const followers = new WeakMap<AbortSignal, Set<() => void>>()

/**
 * Call `onAbort` when the signal aborts. However many follow it, the signal has one listener: Node.js takes more than ten for
 * a leak, and warns of it.
 *
 * @returns how to stop following
 */
export function follow(signal: AbortSignal, onAbort: () => void): () => void {
  let all = followers.get(signal)
  if (all === undefined) {
    const mine = (all = new Set())
    followers.set(signal, mine)
    signal.addEventListener('abort', () => mine.forEach((each) => each()), { once: true })
  }
  const own = () => onAbort()
  all.add(own)
  return () => void all.delete(own)
}

/** Resolves after `ms`. @throws the signal's reason as soon as it aborts */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    }
    const timer = setTimeout(() => {
      unfollow()
      resolve()
    }, ms)
    const unfollow = follow(signal, onAbort)
    if (signal.aborted) onAbort()
  })
}

/**
 * Aborts with the first of the signals. Call `unlink` in the end: it removes the listeners from long-lived
 * signals.
 */
export function linked(
  signals: readonly (AbortSignal | undefined)[]
): AbortController & { unlink: () => void } {
  const controller = new AbortController()
  const given = signals.filter((signal) => signal !== undefined)
  const onAbort = (): void => controller.abort(given.find((signal) => signal.aborted)?.reason)
  const unfollow = given.map((signal) => follow(signal, onAbort))
  if (given.some((signal) => signal.aborted)) onAbort()
  const unlink = () => unfollow.forEach((end) => end())
  return Object.assign(controller, { unlink })
}
