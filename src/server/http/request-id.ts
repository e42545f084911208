import { randomUUID } from 'node:crypto'

/** The id of a request. It is random: a number would tell everybody how many requests there are. */
export function requestId(): string {
  return randomUUID()
}
