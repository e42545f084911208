import { setTimeout as sleep } from 'node:timers/promises'

/**
 * If this number of different keys waits after a query, there may be a storm, as after a restart. Parallel calls of one
 * client have the same key, and wait for no storm.
 */
const STORM = 2
/** How long the next query waits then for more keys, unless these fill it. */
const GATHER_MS = 20

/**
 * Batches look-ups: keys that arrive while one query is under way are loaded together by the next one, so
 * that a thousand clients that reconnect at once cost a few round trips. The query starts after each of its
 * keys was asked for, so every value is as fresh as if it had been loaded on its own.
 *
 * @param loadAll loads the values of all keys, in their order
 * @param maxKeys of one query
 */
export function batchLoader<Key, Value>(
  loadAll: (keys: Key[]) => Promise<Value[]>,
  maxKeys: number
): (key: Key) => Promise<Value> {
  interface Load {
    key: Key
    resolve: (value: Value) => void
    reject: (error: unknown) => void
  }
  let waiting: Load[] = []
  let running = false

  async function run(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, maxKeys)
      waiting = waiting.slice(batch.length)
      try {
        const values = await loadAll(batch.map(({ key }) => key))
        for (const [n, { resolve }] of batch.entries()) resolve(values[n]!)
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
      if (waiting.length < maxKeys && new Set(waiting.map(({ key }) => key)).size >= STORM)
        await sleep(GATHER_MS)
    }
    running = false
  }

  return (key) =>
    new Promise((resolve, reject) => {
      waiting.push({ key, resolve, reject })
      if (running) return
      running = true
      // Not at once: requests that are read in this turn of the event loop share the first query.
      setImmediate(() => void run())
    })
}
