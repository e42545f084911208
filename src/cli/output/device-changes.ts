import type { ChatEvent } from '../../client/index.js'
import { sanitize } from '../terminal/sanitize.js'

export type DeviceChange = Extract<ChatEvent, { type: 'device-changed' }>

const WORDS = { added: 'added', revoked: 'removed', rekeyed: 'with new keys' } as const

/**
 * Changes of one user's devices in a line: `Devices of bob: 2 added, 1 removed.`
 *
 * @param changes at least one, all of the same user
 * @param me the user's own name
 */
export function deviceChanges(changes: readonly DeviceChange[], me: string): string {
  const { username } = changes[0]!
  const counts = Object.entries(WORDS).flatMap(([kind, word]) => {
    const count = changes.filter(({ change }) => change === kind).length
    return count === 0 ? [] : [`${count} ${word}`]
  })
  return username === me
    ? `Your devices: ${counts.join(', ')}. "secure-chat devices" lists them.`
    : `Devices of ${sanitize(username)}: ${counts.join(', ')}. The identity is the same: you have nothing to do.`
}
