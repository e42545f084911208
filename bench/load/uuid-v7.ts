import { randomBytes } from 'node:crypto'

let last = 0
let count = 0

/** A UUID of version 7 (RFC 9562). It is ordered by time, so an index grows at its end. */
export function uuidV7(): string {
  const now = Date.now()
  count = now === last ? count + 1 : 0
  last = now
  const time = now.toString(16).padStart(12, '0')
  const counter = (count % 4096).toString(16).padStart(3, '0')
  const random = randomBytes(8).toString('hex')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${counter}-a${random.slice(1, 4)}-${random.slice(4)}`
}
