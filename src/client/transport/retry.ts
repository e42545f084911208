import { isRefusal, type RefusedError } from '../errors.js'

/**
 * Do `work` again when the server refuses it because something has changed meanwhile. Each attempt has to start from
 * what the server has then.
 *
 * @param codes the problem codes that say so
 * @param tries how many attempts there are; the last one's refusal is thrown
 * @param pause awaited before each further attempt
 */
export async function retryOnConflict<T>(
  codes: readonly string[],
  tries: number,
  work: () => Promise<T>,
  pause?: (refusal: RefusedError, attempt: number) => Promise<void>
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (!isRefusal(error, ...codes) || attempt === tries) throw error
      await pause?.(error, attempt)
    }
  }
}
