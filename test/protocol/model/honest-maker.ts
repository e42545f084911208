import fc from 'fast-check'
import type { ConversationKind, MemberLine, Role } from '../../../src/protocol/statements.js'
import type { Choices } from './choices.js'
import {
  applied,
  keyRequest,
  leaveRequest,
  type Change,
  type ModelMember,
  type States
} from './conversation.js'
import type { ModelDevice } from './user.js'
import type { World } from './world.js'

type Members = ReadonlyMap<string, ModelMember>

/** The root of a user at the states that a maker goes by. */
function rootOf(world: World, states: States, username: string): string {
  return world.user(username).states[states.get(username)! - 1]!.root
}

function lineOf(world: World, states: States, username: string, role: Role): MemberLine {
  return { username, role, root: rootOf(world, states, username) }
}

/** The creation of a conversation by a device of one of its members. */
function honestCreate(world: World, maker: ModelDevice, states: States, choices: Choices): Change {
  const { kind } = world
  const others = [...world.users.keys()].filter((username) => username !== maker.username)
  const count = { self: 0, direct: 1, group: 1 + choices.below(others.length) }[kind]
  const members = [maker.username, ...others.slice(0, count)].sort().map((username) => {
    const isAdmin = kind === 'group' && (username === maker.username || choices.rarely(3))
    return lineOf(world, states, username, isAdmin ? 'admin' : 'member')
  })
  return { kind: 'conversation-create', conversationKind: kind, members }
}

/** Up to three changes that section 2 of the protocol allows, each after the one before. */
function honestChanges(world: World, maker: ModelDevice, states: States, choices: Choices): Change[] {
  const changes: Change[] = []
  let { members } = world
  const named = new Set([maker.username])
  for (let count = choices.below(4); count > 0; count--) {
    const allowed = allowedChanges(world, members, maker.username, states, named).filter(
      ({ kind }) => kind !== 'conversation-timer' || !changes.some((one) => one.kind === kind)
    )
    if (allowed.length === 0) break
    // Renewals would be rare otherwise.
    const renewals = allowed.filter(({ kind }) => kind === 'conversation-renew')
    const change = choices.one(choices.rarely(2) && renewals.length > 0 ? renewals : allowed)
    changes.push(change)
    if ('member' in change && change.kind !== 'conversation-role') named.add(change.member.username)
    members = applied(members, change)
  }
  return changes
}

/** All that the actor may do. Nobody who was named in this request is removed in it. */
function allowedChanges(
  world: World,
  members: Members,
  actor: string,
  states: States,
  named: ReadonlySet<string>
): Change[] {
  const { kind } = world
  if (kind === 'self') return []
  const isCurrent = (username: string) => members.get(username)!.root === rootOf(world, states, username)
  const admins = [...members.keys()].filter((username) => members.get(username)!.role === 'admin')
  const stale = [...members.keys()].filter((username) => !isCurrent(username))
  const isAdmin = admins.includes(actor)
  const renewals =
    kind === 'direct' || isAdmin || !admins.some(isCurrent)
      ? stale.map((username): Change => {
          const member = lineOf(world, states, username, members.get(username)!.role)
          return { kind: 'conversation-renew', member }
        })
      : []
  const timer: Change = { kind: 'conversation-timer', messageTtl: members.size }
  if (kind === 'direct') return [...renewals, timer]
  if (!isAdmin) return renewals
  const mayGo = (username: string) => members.size === 1 || admins.some((admin) => admin !== username)
  const others = [...world.users.keys()].filter((username) => !members.has(username))
  return [
    ...renewals,
    timer,
    ...others.map((username): Change => ({
      kind: 'conversation-add',
      member: lineOf(world, states, username, named.size % 2 === 0 ? 'admin' : 'member')
    })),
    ...[...members]
      .filter(([username, { role }]) => role === 'member' || mayGo(username))
      .map(([username, { role, root }]): Change => ({
        kind: 'conversation-role',
        member: { username, role: role === 'admin' ? 'member' : 'admin', root }
      })),
    ...[...members.keys()]
      .filter(
        (username) => !named.has(username) && (members.get(username)!.role === 'member' || mayGo(username))
      )
      .map((username): Change => ({ kind: 'conversation-remove', username }))
  ]
}

/** A device that an honest client would sign a request with: one of a member whose line is current. */
export function honestMakers(world: World): ModelDevice[] {
  const usernames = world.history.chain === null ? [...world.users.keys()] : [...world.members.keys()]
  return usernames.flatMap((username) => {
    const { root, devices } = world.user(username).newest
    const member = world.members.get(username)
    if (member !== undefined && member.root !== root) return []
    return devices.filter(({ purpose }) => purpose === 'chat')
  })
}

/** Devices whose member may leave: active ones under the root of the line. */
function honestLeavers(world: World): ModelDevice[] {
  if (world.kind !== 'group') return []
  const admins = [...world.members].filter(([, { role }]) => role === 'admin')
  return honestMakers(world).filter(({ username }) => {
    const isLast = admins.length === 1 && admins[0]![0] === username
    return world.members.size === 1 || !isLast
  })
}

export const kinds = fc.constantFrom<ConversationKind[]>('group', 'group', 'group', 'direct', 'self')

/** An honest client makes a request, which nobody may refuse. */
export function honestRequest(world: World, from: Choices): void {
  const { chain } = world.history
  const leavers = chain === null ? [] : honestLeavers(world)
  if (leavers.length > 0 && from.rarely(8)) {
    const device = from.one(leavers)
    world.take(leaveRequest(world.place, device))
    const members = new Map(world.members)
    members.delete(device.username)
    return world.account(members, null)
  }
  const makers = honestMakers(world)
  if (makers.length === 0) return
  const maker = from.one(makers)
  const states = world.honestStates(maker, from)
  const changes =
    chain === null ? [honestCreate(world, maker, states, from)] : honestChanges(world, maker, states, from)
  const members = changes.reduce(applied, world.members)
  world.take(keyRequest(world.place, maker, changes, members, states, world.users))
  world.account(members, states)
}
