/** @throws the signal's reason as soon as it aborts */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}

/** Aborts with the first of the signals. `unlink` lets go of them, since some live long. */
export function linked(
  signals: readonly (AbortSignal | undefined)[]
): AbortController & { unlink: () => void } {
  const controller = new AbortController()
  const given = signals.filter((signal) => signal !== undefined)
  const stop = (): void => controller.abort(given.find((signal) => signal.aborted)?.reason)
  for (const signal of given) signal.addEventListener('abort', stop, { once: true })
  if (given.some((signal) => signal.aborted)) stop()
  const unlink = () => given.forEach((signal) => signal.removeEventListener('abort', stop))
  return Object.assign(controller, { unlink })
}
