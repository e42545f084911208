import type { RosterDevice } from './roster.js'
import type {
  ChangeStatement,
  ConversationKind,
  ConversationStatement,
  KeyStatement,
  Role,
  StateLine,
  Statement
} from './statements.js'
import type { ChainDevice } from './user-chain.js'
import type { DeviceHistory, UserState } from './user-history.js'

/** Most statements of a conversation's chain. The last ones are for members who go, and for session keys. */
export const MAX_LINKS = 100_000
export const RESERVED_LINKS = 1000
/** Most changes in one request. */
export const MAX_CHANGES = 100

/** What a conversation's chain says (docs/protocol.md, "A conversation's chain"). */
export interface ConversationChain {
  id: string
  kind: ConversationKind
  sequence: number
  /** Hash of the newest statement. */
  head: string
  /** By username, in the order in which they joined. */
  members: ReadonlyMap<string, ChainMember>
  /** Seconds after which messages are deleted; 0 keeps them. */
  messageTtl: number
  /** The newest session key. */
  key: ChainKey
}

export interface ChainMember {
  role: Role
  /** The root of the member's line. It is stale once the user has another root. */
  root: string
  /** Where the user's chain ended for the maker of the newest key. */
  state: ChainState
}

export type ChainState = Pick<StateLine, 'sequence' | 'head'>

export interface ChainKey {
  /** The session key's id. */
  id: string
  /** Sequence and hash of its statement in the conversation's chain. */
  sequence: number
  hash: string
  commitment: string
  /** Hash of the roster. */
  roster: string
  /** Signing key of the device that made it, and its user. */
  by: string
  username: string
}

/** A parsed statement with its own hash. Its one signature, by `by`, is verified. */
export interface Link<S extends ConversationStatement = ConversationStatement> {
  statement: S
  hash: string
}

/** The unit of change: one `conversation-leave`, or up to 100 changes and the key that follows them. */
export type ChainRequest =
  | { changes: readonly Link<Exclude<ChangeStatement, Leave>>[]; key: Link<KeyStatement> }
  | { leave: Link<Leave> }
/** A member leaves the group. It is a request of its own. */
export type Leave = Statement<'conversation-leave'>

/** What users' chains say. The server answers for today, a client from the chains that it has verified. */
export interface ChainUsers {
  /** The users whose chain has or had a device with this signing key. */
  owners(signingKey: string): readonly string[]
  /** A device that the user's chain has or had, by its signing key. */
  device(username: string, signingKey: string): DeviceHistory | undefined
  /**
   * The user at a statement of the user's chain. Throws an error of its own if the chain does not have this
   * statement there.
   */
  at(username: string, state: ChainState): UserState
}

/** The devices that the newest session key is wrapped for, in the order in which their users joined. */
export function conversationRoster(members: ConversationChain['members'], users: ChainUsers): RosterDevice[] {
  return [...members].flatMap(([username, { root, state }]) => {
    const user = users.at(username, state)
    return user.root === root ? user.devices.map((device) => rosterDevice(username, device)) : []
  })
}

function rosterDevice(username: string, device: ChainDevice): RosterDevice {
  const { id, signingKey, encryptionKey, kemKey } = device
  return { username, id, signingKey, encryptionKey, kemKey }
}
