import type { ChainRequest, Link } from '../../../src/protocol/conversation-chain.js'
import { chainRequests } from '../../../src/protocol/chain-requests.js'
import { statementText } from '../../../src/protocol/statement-texts.js'
import type {
  ConversationKind,
  ConversationStatement,
  MemberLine,
  Role
} from '../../../src/protocol/statements.js'
import { sha256 } from './keys.js'
import { rosterLines, type ModelDevice, type ModelUser } from './user.js'

export const conversation = '00000000-0000-4000-8000-000000000000'

export interface ModelMember {
  role: Role
  root: string
  /** The newest `state` line since the member came in; null before the first. */
  state: number | null
}

/** A change of a conversation without its place in the chain. */
export type Change =
  | { kind: 'conversation-create'; conversationKind: ConversationKind; members: MemberLine[] }
  | { kind: 'conversation-add' | 'conversation-role' | 'conversation-renew'; member: MemberLine }
  | { kind: 'conversation-remove'; username: string }
  | { kind: 'conversation-timer'; messageTtl: number }

/** Members as the changes leave them, whether allowed or not. */
export function applied(members: ReadonlyMap<string, ModelMember>, change: Change): Map<string, ModelMember> {
  const after = new Map(members)
  if (change.kind === 'conversation-create')
    for (const { username, role, root } of change.members) after.set(username, { role, root, state: null })
  if (change.kind === 'conversation-remove') after.delete(change.username)
  if ('member' in change) {
    const { username, role, root } = change.member
    const state = change.kind === 'conversation-add' ? null : (after.get(username)?.state ?? null)
    after.set(username, { role, root, state })
  }
  return after
}

/** Where a chain has got to. */
export interface Place {
  sequence: number
  head: string
}

/** Which statement of each user's chain a maker goes by. */
export type States = ReadonlyMap<string, number>

export type KeyRequest = Extract<ChainRequest, { key: unknown }>

/** Changes and their key as one request, with exactly the `state` lines that the rules ask for. */
export function keyRequest(
  at: Place,
  by: ModelDevice,
  changes: readonly Change[],
  members: ReadonlyMap<string, ModelMember>,
  states: States,
  users: ReadonlyMap<string, ModelUser>
): KeyRequest {
  const lines = [...members.keys()].sort().flatMap((username) => {
    const sequence = states.get(username)!
    const { head } = users.get(username)!.states[sequence - 1]!
    return members.get(username)!.state === sequence ? [] : [{ username, sequence, head }]
  })
  const roster = [...members].flatMap(([username, { root }]) => {
    const state = users.get(username)!.states[states.get(username)! - 1]!
    return state.root === root ? rosterLines(state.devices) : []
  })
  const key = {
    kind: 'conversation-key',
    sessionKey: conversation,
    commitment: sha256('a session key'),
    state: lines,
    roster: sha256(
      roster
        .map((line) => `${line}\n`)
        .sort()
        .join('')
    )
  }
  return chainRequests(linked(at, by, [...changes, key]))[0] as KeyRequest
}

export function leaveRequest(at: Place, by: ModelDevice): ChainRequest {
  return chainRequests(linked(at, by, [{ kind: 'conversation-leave' }]))[0]!
}

function linked(
  { sequence, head }: Place,
  { signingKey: by }: ModelDevice,
  statements: readonly object[]
): Link[] {
  let previous = head
  return statements.map((fields, index) => {
    const link = { conversation, sequence: sequence + index + 1, previous, by }
    const statement = { ...fields, ...link } as ConversationStatement
    previous = sha256(statementText(statement))
    return { statement, hash: previous }
  })
}
