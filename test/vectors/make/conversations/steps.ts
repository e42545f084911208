import { createHash } from 'node:crypto'
import { rosterText } from '../../../../src/protocol/roster.js'
import type {
  ConversationKind,
  ConversationStatement,
  MemberLine,
  Role,
  StateLine
} from '../../../../src/protocol/statements.js'
import type { Device } from '../devices.js'
import type { Unlinked } from '../link.js'
import type { Person } from '../people.js'

export const conversation = '0198c6f3-1c08-7a3e-b5f4-0d9e6b2c8103'

/** A statement with its signers, and the place that it claims if that is another one. */
export interface Part {
  statement: Unlinked<ConversationStatement>
  signers: readonly Device[]
  /** The devices behind the hash of a key's roster. */
  roster?: readonly RosterLine[]
  claimed?: { sequence?: number; previous?: string }
}

export type RosterLine = readonly [Person, Device]

/** A request, and what the chain says after it or the code with which it is refused. */
export interface Step {
  parts: readonly Part[]
  then?: Outcome
  refused?: string
}

export interface Outcome {
  /** Lines `<username> <role> <sequence of the state>`, and the number of the root if it is not the first. */
  members: readonly string[]
  messageTtl?: number
}

export interface Case {
  title: string
  steps: readonly Step[]
  attack?: string
}

/** A request that is accepted. `members` are lines as in `Outcome`. */
export function good(parts: readonly Part[], members: readonly string[], messageTtl?: number): Step {
  return { parts, then: { members, ...(messageTtl !== undefined && { messageTtl }) } }
}

/** A request that is refused. The chain stays as it was. */
export const bad = (refused: string, ...parts: readonly Part[]): Step => ({ parts, refused })

/** The line of a member, with the user's first root or a later one. */
export function line({ username, roots }: Person, role: Role, root = 1): MemberLine {
  return { username, role, root: roots[root - 1]! }
}

/** Where a user's chain ended for the maker. */
export function at({ username, heads }: Person, sequence: number): StateLine {
  return { username, sequence, head: heads[sequence - 1]! }
}

/** A session key's id and commitment are filled in when it is signed, from its place in the chain. */
export const unnamedKey = { sessionKey: '', commitment: '' }

/** The statements that a device signs. */
export function by(device: Device) {
  const part = (
    statement: DistributiveOmit<Unlinked<ConversationStatement>, 'conversation' | 'by'>
  ): Part => ({
    statement: { ...statement, conversation, by: device.fingerprint },
    signers: [device]
  })
  return {
    create: (conversationKind: ConversationKind, ...members: MemberLine[]) =>
      part({ kind: 'conversation-create', conversationKind, members }),
    add: (member: MemberLine) => part({ kind: 'conversation-add', member }),
    role: (member: MemberLine) => part({ kind: 'conversation-role', member }),
    renew: (member: MemberLine) => part({ kind: 'conversation-renew', member }),
    remove: ({ username }: Person) => part({ kind: 'conversation-remove', username }),
    leave: () => part({ kind: 'conversation-leave' }),
    timer: (messageTtl: number) => part({ kind: 'conversation-timer', messageTtl }),
    key: (state: StateLine[], roster: readonly RosterLine[]): Part => ({
      ...part({ kind: 'conversation-key', ...unnamedKey, state, roster: rosterHash(roster) }),
      roster
    })
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

function rosterHash(roster: readonly RosterLine[]): string {
  const devices = roster.map(([{ username }, { id, fingerprint, encryptionKey, kemKey }]) => ({
    username,
    id,
    signingKey: fingerprint,
    encryptionKey,
    kemKey
  }))
  return createHash('sha256').update(rosterText(devices)).digest('hex')
}
