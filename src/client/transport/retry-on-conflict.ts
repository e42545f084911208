import { isRefusal, type RefusedError } from '../errors.js'

/**
 * Do `work` again when the server refuses it because others have changed something meanwhile. Each attempt
 * has to read the server's state again.
 *
 * @param codes problem codes of such a refusal
 * @param tries number of attempts; the refusal of the last one is thrown
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
