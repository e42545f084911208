/** Resolves after `ms`. @throws the signal's reason as soon as it aborts */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
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
  for (const signal of given) signal.addEventListener('abort', onAbort, { once: true })
  if (given.some((signal) => signal.aborted)) onAbort()
  const unlink = () => given.forEach((signal) => signal.removeEventListener('abort', onAbort))
  return Object.assign(controller, { unlink })
}
