import type { ChainRequest } from '../../../src/protocol/conversation-chain.js'
import type { MemberLine, StateLine } from '../../../src/protocol/statements.js'
import type { Choices } from './choices.js'
import {
  applied,
  keyRequest,
  leaveRequest,
  type Change,
  type ModelMember,
  type States
} from './conversation.js'
import { honestMakers } from './honest-maker.js'
import type { ModelDevice } from './user.js'
import type { World } from './world.js'

/** A request that anybody could make who has a device, or had one. */
export interface AnyRequest {
  maker: ModelDevice
  request: ChainRequest
  changes: readonly Change[]
  /** Members as the changes leave them, whether allowed or not. */
  members: ReadonlyMap<string, ModelMember>
  /** Null for a leave. */
  states: States | null
  /** Whether the key has exactly the lines that the rules ask for. */
  isExact: boolean
}

export function anyRequest(world: World, choices: Choices): AnyRequest {
  const anybody = [...world.users.values()].flatMap(({ devices }) => devices)
  const honest = honestMakers(world)
  const maker = choices.one(choices.rarely(2) && honest.length > 0 ? honest : anybody)
  if (world.history.chain !== null && choices.rarely(10)) {
    const members = new Map(world.members)
    members.delete(maker.username)
    const request = leaveRequest(world.place, maker)
    return { maker, request, changes: [], members, states: null, isExact: true }
  }
  const states = anyStates(world, choices)
  const changes = world.history.chain === null ? [anyCreate(world, choices)] : []
  for (let count = choices.below(3); count > 0; count--) changes.push(anyChange(world, choices))
  const members = changes.reduce(applied, world.members)
  const request = keyRequest(world.place, maker, changes, members, states, world.users)
  const { statement } = request.key
  const wrong = choices.rarely(8) ? wrongLines(world, statement.state, members, states) : []
  if (wrong.length === 0) return { maker, request, changes, members, states, isExact: true }
  const key = { ...request.key, statement: { ...statement, state: [...choices.one(wrong)] } }
  return { maker, request: { ...request, key }, changes, members, states, isExact: false }
}

/** Mostly the newest states, but older ones, too. */
function anyStates(world: World, choices: Choices): States {
  return new Map(
    [...world.users].map(([username, { states }]) => {
      const any = [
        states.length,
        states.length,
        world.floors.get(username) ?? 1,
        1 + choices.below(states.length)
      ]
      return [username, choices.one(any)]
    })
  )
}

function anyLine(world: World, choices: Choices): MemberLine {
  const user = choices.one([...world.users.values()])
  const { root } = choices.rarely(3) ? choices.one(user.states) : user.newest
  const role = choices.rarely(2) ? 'admin' : (world.members.get(user.username)?.role ?? 'member')
  return { username: user.username, role, root }
}

function anyCreate(world: World, choices: Choices): Change {
  const lines = new Map<string, MemberLine>()
  for (let count = 1 + choices.below(3); count > 0; count--) {
    const line = anyLine(world, choices)
    lines.set(line.username, line)
  }
  const members = [...lines.keys()].sort().map((username) => lines.get(username)!)
  return { kind: 'conversation-create', conversationKind: world.kind, members }
}

function anyChange(world: World, choices: Choices): Change {
  const member = anyLine(world, choices)
  return choices.one<Change>([
    { kind: 'conversation-add', member },
    { kind: 'conversation-role', member },
    { kind: 'conversation-renew', member },
    { kind: 'conversation-remove', username: member.username },
    { kind: 'conversation-timer', messageTtl: choices.below(100) }
  ])
}

/** The lines of a key with one too many, or without one that is new. */
function wrongLines(
  world: World,
  state: readonly StateLine[],
  members: AnyRequest['members'],
  states: States
): (readonly StateLine[])[] {
  return [...world.users].flatMap(([username, user]) => {
    const others = state.filter((line) => line.username !== username)
    const sequence = states.get(username)!
    const line = { username, sequence, head: user.states[sequence - 1]!.head }
    if (others.length === state.length)
      return [[...state, line].sort((a, b) => (a.username < b.username ? -1 : 1))]
    // Without a line that is not new the state would be the one before, and the key another good one.
    return members.get(username)?.state === null ? [others] : []
  })
}
