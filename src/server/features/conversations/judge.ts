import { conversationRoster, type ConversationChain } from '../../../protocol/conversation-chain.js'
import { MAX_CONVERSATION_DEVICES } from '../../../protocol/conversations.js'
import { extendConversationChain, type KeylessChain } from '../../../protocol/extend-conversation-chain.js'
import { base64Bytes } from '../../../protocol/ids.js'
import { rosterText, type RosterDevice } from '../../../protocol/roster.js'
import { sha256Hex } from '../../chains/public-keys.js'
import { Problem } from '../../http/problem.js'
import { StaleState, type CurrentUsers } from './current-users.js'
import type { KnownUsers } from './read-current-users.js'
import { staleRoster } from './refusals.js'
import type { ParsedRequest } from './request.js'
import { toChain, type StoredChain } from './stored-chain.js'

/** A valid request, with what it makes of the chain. */
export interface Judged {
  chain: KeylessChain
  /** Null for a `conversation-leave`. */
  key: JudgedKey | null
}

export interface JudgedKey {
  /** Without those that nobody would ever fetch. */
  wraps: readonly KeyWrap[]
  /** When it gets out of date because of recent devices, in seconds since 1970; `Infinity` if it does not. */
  outdatedAt: number
}

export interface KeyWrap {
  deviceId: string
  wrappedKey: string
  /** Whether the device may send. */
  sends: boolean
}

/**
 * Apply the rules of the protocol to a request, against what users' chains say today.
 *
 * @throws {RuleViolation} the rule that it breaks
 * @throws {Problem} `stale-roster`, `too-many-devices`, or `invalid-request` for a wrap of a wrong size
 */
export function judge(
  stored: StoredChain | null,
  { users, floors }: KnownUsers,
  parsed: ParsedRequest
): Judged {
  const { request } = parsed
  const before = stored === null ? null : toChain(stored)
  // The state of a member never goes back, so that of the newest key is the highest.
  const floor = (username: string) =>
    stored?.members.get(username)?.state.sequence ?? floors.get(username) ?? 0
  if ('leave' in request) return { chain: extendConversationChain(before, request, users, floor), key: null }
  const chain = extended(before, users, floor, parsed)
  const members = [...chain.members]
  if (members.some(([username, { state }]) => !users.isCurrent(username, state)))
    throw staleRoster(before, users, chain.members, parsed)

  const roster = conversationRoster(chain.members, users)
  const grows = request.changes.some(
    ({ statement: { kind } }) => kind === 'conversation-create' || kind === 'conversation-add'
  )
  if (grows && roster.length > MAX_CONVERSATION_DEVICES) throw new Problem('too-many-devices')
  const isCovered = roster.length === parsed.wraps.size && roster.every(({ id }) => parsed.wraps.has(id))
  if (!isCovered || sha256Hex(rosterText(roster)) !== request.key.statement.roster)
    throw staleRoster(before, users, chain.members, parsed)
  const outdatedAt = Math.min(...members.map(([username, { state }]) => users.outdatedAt(username, state)))
  return { chain, key: { wraps: readWraps(roster, chain.members, users, parsed), outdatedAt } }
}

function extended(
  before: KeylessChain | null,
  users: CurrentUsers,
  floor: (username: string) => number,
  parsed: ParsedRequest
): KeylessChain {
  try {
    return extendConversationChain(before, parsed.request, users, floor)
  } catch (error) {
    if (!(error instanceof StaleState)) throw error
    throw staleRoster(before, users, namedMembers(before, users, parsed), parsed)
  }
}

/** About the members after a request that could not be judged. */
function namedMembers(
  before: KeylessChain | null,
  users: CurrentUsers,
  { request }: ParsedRequest
): ConversationChain['members'] {
  const members = new Map(before?.members)
  if ('leave' in request) return members
  for (const { statement } of request.changes)
    if (statement.kind === 'conversation-remove') members.delete(statement.username)
  for (const { username, ...state } of request.key.statement.state) {
    const member = members.get(username) ?? { role: 'member' as const, root: users.user(username).root }
    members.set(username, { ...member, state })
  }
  return members
}

/** @throws {Problem} `invalid-request` unless each wrap has the size that its device's keys ask for */
function readWraps(
  roster: readonly RosterDevice[],
  members: ConversationChain['members'],
  users: CurrentUsers,
  { wraps }: ParsedRequest
): KeyWrap[] {
  const devices = new Map(
    [...members.keys()].flatMap((username) => users.devices(username)).map((device) => [device.id, device])
  )
  return roster.flatMap(({ id }) => {
    const { wrapBytes, purpose, isErased } = devices.get(id)!
    const wrappedKey = wraps.get(id)!
    if (base64Bytes(wrappedKey) !== wrapBytes)
      throw new Problem('invalid-request', `The wrap for device ${id} must have ${wrapBytes} bytes.`)
    return isErased ? [] : [{ deviceId: id, wrappedKey, sends: purpose === 'chat' }]
  })
}
