import type { WindowCounter } from './window-counter.js'

/**
 * Look whether something that was guessed is right. The attempt counts as a failure until it proves right, so that many
 * at once gain nothing. If nobody could look, as in an outage of the database, there was no attempt.
 *
 * @param look resolves to whether it is right
 */
export async function attempt(
  failures: WindowCounter,
  key: string,
  look: () => Promise<boolean>
): Promise<boolean> {
  failures.count(key)
  let isWrong = false
  try {
    isWrong = !(await look())
    return !isWrong
  } finally {
    if (!isWrong) failures.takeBack(key)
  }
}
