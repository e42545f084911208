import type { Link } from './chains.js'
import { sha256Hex } from './crypto.js'
import { check, given } from './refused.js'
import type { ChainDevice, UserChain, UserState } from './user-chain.js'
import type { Reader } from './wraps.js'

export interface Member {
  readonly role: string
  readonly root: string
}

/** A device that a session key is made for. */
export interface RosterLine extends ChainDevice {
  readonly username: string
}

/** A device of a roster, with its public keys. */
export interface Covered extends Reader {
  readonly username: string
  readonly deviceId: string
}

/** All that the statement of a session key says. `sequence` and `head` are those of the statement before. */
export interface Told extends Link {
  readonly covered: readonly Covered[]
  /** The `state` lines that are due. */
  readonly state: readonly (Link & { readonly username: string })[]
}

/** Verified chains of users. */
export type Users = ReadonlyMap<string, UserChain>

/** @throws Refused unless the user's chain has this statement */
export function stateAt(users: Users, name: string, { sequence, head }: Link): UserState {
  const state = given(users.get(name)?.states.get(sequence), `a state of ${name} beyond the chain`)
  check(state.head === head, `a state of ${name} on another chain`)
  return state
}

/** The active devices of all members whose root is that of their line, each at its user's state. */
export function rosterOf(
  members: ReadonlyMap<string, Member>,
  states: ReadonlyMap<string, UserState>
): RosterLine[] {
  return [...members].flatMap(([username, { root }]) => {
    const state = given(states.get(username), `no state of ${username}`)
    if (state.root !== root) return []
    return [...state.active.values()].map((device) => ({ ...device, username }))
  })
}

type Named = Omit<RosterLine, 'purpose' | 'version'>

export function rosterText(roster: readonly Named[]): string {
  const lines = roster.map(
    ({ username, id, signingFp, encryptionFp, kemFp }) =>
      `${username} ${id} ${signingFp} ${encryptionFp} ${kemFp}\n`
  )
  return lines.sort().join('')
}

export const rosterHash = (roster: readonly Named[]): string => sha256Hex(rosterText(roster))
