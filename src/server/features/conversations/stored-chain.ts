import { sql } from 'drizzle-orm'
import type { ChainState } from '../../../protocol/conversation-chain.js'
import { RENEWAL_MESSAGES } from '../../../protocol/messages.js'
import type { KeylessChain } from '../../../protocol/extend-conversation-chain.js'
import type { ConversationKind, Role } from '../../../protocol/statements.js'
import type { Tx } from '../../db/database.js'
import { rows } from '../../db/rows.js'

/** Where a user's chain ends today. */
export interface CurrentUser extends ChainState {
  userId: string
  username: string
  root: string
}

export interface StoredMember {
  user: CurrentUser
  role: Role
  /** The root of the member's line. */
  root: string
  /** Where the user's chain ended for the newest session key, and the user's root there. */
  state: ChainState
  stateRoot: string
}

/** A conversation's chain as it is stored. Its row is locked. */
export interface StoredChain {
  id: string
  kind: ConversationKind
  sequence: number
  head: string
  messageTtl: number
  sessionKeyId: string
  /** Whether members or chains have moved since the newest session key, or it has had many messages. */
  isKeyDue: boolean
  /** By username, in the order in which they joined. */
  members: Map<string, StoredMember>
}

/**
 * Lock a conversation until the transaction ends, and read its chain.
 *
 * @returns null if there is no such conversation
 */
export async function lockChain(tx: Tx, id: string): Promise<StoredChain | null> {
  const [conversation] = await rows<Omit<StoredChain, 'members'>>(
    tx,
    sql`
select id, kind, chain_sequence as sequence, chain_head as head, message_ttl as "messageTtl",
  session_key_id as "sessionKeyId",
  outdated_at is not null
    or (select message_count from session_keys where id = c.session_key_id) >= ${RENEWAL_MESSAGES}::int as "isKeyDue"
from conversations c where id = ${id}::uuid for no key update of c`
  )
  if (conversation === undefined) return null
  // A statement of its own: it sees what was committed while the first one waited for the lock.
  return { ...conversation, members: await readMembers(tx, id) }
}

interface MemberRow extends CurrentUser {
  role: Role
  lineRoot: string
  stateSequence: number
  stateHead: string
  stateRoot: string
}

async function readMembers(tx: Tx, id: string): Promise<Map<string, StoredMember>> {
  const found = await rows<MemberRow>(
    tx,
    sql`
select u.id as "userId", u.username, u.root, u.chain_sequence as sequence, u.chain_head as head,
  m.role, m.root as "lineRoot", m.state_sequence as "stateSequence", m.state_head as "stateHead",
  m.state_root as "stateRoot"
from memberships m join users u on u.id = m.user_id
where m.conversation_id = ${id}::uuid and m.left_at is null
order by m.joined_at, m.place`
  )
  return new Map(
    found.map(({ role, lineRoot, stateSequence, stateHead, stateRoot, ...user }) => [
      user.username,
      { user, role, root: lineRoot, state: { sequence: stateSequence, head: stateHead }, stateRoot }
    ])
  )
}

/** The chain for the rules of the protocol. */
export function toChain(stored: StoredChain): KeylessChain {
  const { id, kind, sequence, head, messageTtl, members } = stored
  const lines = [...members].map(
    ([username, { role, root, state }]) => [username, { role, root, state }] as const
  )
  return {
    id,
    kind,
    sequence,
    head,
    messageTtl,
    members: new Map(lines)
  }
}
