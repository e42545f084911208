import type { ChainMember, ChainState, ChainUsers } from './conversation-chain.js'
import { RuleViolation } from './rule-violation.js'

/**
 * The user whose device made a key. A binding counts from the statement that the key's `state` reaches, so that
 * a later one changes nothing.
 *
 * @param stateOf undefined for a user who is not in and has no `state` line
 * @throws {RuleViolation} `not-in-roster`; `ambiguous-key` if two members bind the signing key
 */
export function findMaker(
  signingKey: string,
  stateOf: (username: string) => ChainState | undefined,
  users: ChainUsers
): string {
  const found = users.owners(signingKey).filter((username) => {
    const state = stateOf(username)
    return state !== undefined && users.device(username, signingKey)!.added <= state.sequence
  })
  return onlyOwner(found)
}

/** @throws {RuleViolation} unless the maker's device is active at the state, under the root of the line, and talks */
export function requireInRoster(
  username: string,
  signingKey: string,
  member: ChainMember | undefined,
  users: ChainUsers
): void {
  const user = member && users.at(username, member.state)
  const device = user?.devices.find((one) => one.signingKey === signingKey)
  if (device === undefined || user!.root !== member!.root) throw new RuleViolation('not-in-roster')
  requireChatDevice(device)
}

/**
 * The member whose device this is: the user's chain has or had it under the root of the line, and no key knows it as
 * retired.
 *
 * @throws {RuleViolation} `not-in-roster`; `ambiguous-key`; `forbidden` for a recovery device
 */
export function findMember(
  signingKey: string,
  members: ReadonlyMap<string, ChainMember>,
  users: ChainUsers
): string {
  const bound = users.owners(signingKey).flatMap((username) => {
    const member = members.get(username)
    return member ? [{ username, member, device: users.device(username, signingKey)! }] : []
  })
  // A binding that the keys know counts before one that came later, so that a later one changes nothing.
  const known = bound.filter(({ member, device }) => device.added <= member.state.sequence)
  const username = onlyOwner((known.length > 0 ? known : bound).map((one) => one.username))
  const { member, device } = bound.find((one) => one.username === username)!
  const isRetired = device.retired !== null && device.retired <= member.state.sequence
  if (isRetired || device.root !== member.root) throw new RuleViolation('not-in-roster')
  requireChatDevice(device)
  return username
}

function onlyOwner(found: readonly string[]): string {
  if (found.length > 1) throw new RuleViolation('ambiguous-key')
  if (found.length === 0) throw new RuleViolation('not-in-roster')
  return found[0]!
}

function requireChatDevice({ purpose }: { purpose: string }): void {
  if (purpose !== 'chat')
    throw new RuleViolation('forbidden', 'A recovery device signs only in the chain of its own user.')
}
