import type { ConversationChain } from './conversation-chain.js'
import { check } from './refused.js'
import type { Users } from './roster.js'

/** A message, as far as its place goes. */
export interface Place {
  readonly conversationId: string
  /** Hash of the `conversation-key` statement. */
  readonly key: string
  readonly username: string
  /** Fingerprint of the sending device's signing key. */
  readonly by: string
  readonly position: number
}

/**
 * Devices and memberships that have gone, each with the last position that this client saw then: its boundary
 * (docs/protocol.md, "Rules for clients", 7). Nothing of theirs counts behind it.
 */
export class Departures {
  /** By conversation, then by signing key, or user and link. Null lies before the first sync. */
  readonly #boundaries = new Map<string, Map<string, number | null>>()

  /** What has gone by now, and has no boundary yet. */
  news(chain: ConversationChain, users: Users): string[] {
    const known = this.#boundaries.get(chain.id)
    const names = new Set([...chain.members.keys(), ...chain.ended.map(({ username }) => username)])
    const devices = [...names].flatMap((name) => {
      const user = users.get(name)
      const gone = [...(user?.ever.values() ?? [])].filter(({ id }) => user?.active.has(id) === false)
      return gone.map(({ signingFp }) => signingFp)
    })
    return [...devices, ...chain.ended.map(membership)].filter((going) => known?.has(going) !== true)
  }

  /** True until a conversation was synced: whatever has gone before that is its past. */
  isFirst(conversationId: string): boolean {
    return !this.#boundaries.has(conversationId)
  }

  note(conversationId: string, goings: readonly string[], boundary: number | null): void {
    const known = this.#boundaries.get(conversationId) ?? new Map<string, number | null>()
    for (const going of goings) known.set(going, boundary)
    this.#boundaries.set(conversationId, known)
  }

  /** @throws Refused if the device that signed a link had gone before */
  requireLink(conversationId: string, by: string): void {
    const boundary = this.#boundaries.get(conversationId)?.get(by) ?? null
    check(boundary === null, `a link by ${by}, which has gone`)
  }

  /** The boundary of a message. @throws Refused if the message stands behind it */
  requireMessage(chain: ConversationChain, { key, username, by, position }: Place): number | null {
    const sequence = chain.keys.get(key)?.sequence ?? 0
    const ended = chain.ended.filter((one) => one.username === username && one.sequence > sequence)
    const known = this.#boundaries.get(chain.id)
    const boundaries = [by, ...ended.map(membership)]
      .map((going) => known?.get(going) ?? null)
      .filter((boundary) => boundary !== null)
    if (boundaries.length === 0) return null
    const boundary = Math.min(...boundaries)
    check(position <= boundary, `a message of ${username} from behind ${boundary}, where they had gone`)
    return boundary
  }
}

const membership = ({ username, sequence }: ConversationChain['ended'][number]): string =>
  `${username} ${sequence}`
