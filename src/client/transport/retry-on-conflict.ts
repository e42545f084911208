/**
 * Do `work` again when it fails because others have changed something meanwhile. Each attempt has to read the
 * server's state again.
 *
 * @param isConflict whether an error says that
 * @param tries number of attempts; the error of the last one is thrown
 * @param pause awaited before each further attempt
 */
export async function retryOnConflict<T>(
  isConflict: (error: unknown) => boolean,
  tries: number,
  work: () => Promise<T>,
  pause?: (attempt: number) => Promise<void>
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (!isConflict(error) || attempt === tries) throw error
      await pause?.(attempt)
    }
  }
}
