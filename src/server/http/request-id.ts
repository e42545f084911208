import { randomBytes } from 'node:crypto'

/** Request ids that are short, and unique across processes and restarts. */
export function requestIds(): () => string {
  const prefix = randomBytes(5).toString('hex')
  let count = 0
  return () => `${prefix}-${(++count).toString(36)}`
}
