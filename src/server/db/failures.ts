import type { Logger } from '../logger.js'
import { isDatabaseDown } from './errors.js'

const LOOK_MS = 1000
/** A database that has failed nobody for so long, and takes writes, is back. */
const QUIET_MS = 5000

/**
 * The log of failures that the database may cause. An outage is one line when it begins,
 * and one when it is over, however much fails meanwhile.
 */
export class Failures {
  readonly #check: () => Promise<void>
  readonly #logger: Logger
  /** While the database is away. */
  #outage: { since: number; last: number; failures: number; timer: NodeJS.Timeout } | null = null

  /** @param check resolves if the database answers and takes writes */
  constructor(check: () => Promise<void>, logger: Logger) {
    this.#check = check
    this.#logger = logger
  }

  /** @param message says what has failed */
  log(error: unknown, message: string, details: object = {}): void {
    if (!isDatabaseDown(error)) return this.#logger.warn({ ...details, err: error }, message)
    const now = performance.now()
    if (this.#outage === null) {
      this.#logger.warn({ ...details, err: error, failed: message }, 'the database is unavailable')
      const timer = setInterval(() => void this.#look(), LOOK_MS).unref()
      this.#outage = { since: now, last: now, failures: 0, timer }
    }
    this.#outage.last = now
    this.#outage.failures++
  }

  stop(): void {
    clearInterval(this.#outage?.timer)
    this.#outage = null
  }

  async #look(): Promise<void> {
    const isBack = await this.#check().then(
      () => true,
      () => false
    )
    if (this.#outage === null || !isBack || performance.now() - this.#outage.last < QUIET_MS) return
    const { since, last, failures } = this.#outage
    this.stop()
    this.#logger.info(
      { seconds: Math.round((last - since) / 1000), failures },
      'the database is available again'
    )
  }
}
