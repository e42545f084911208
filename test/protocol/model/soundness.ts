import { deepEqual, equal, ok } from 'node:assert/strict'
import type { AnyRequest } from './any-maker.js'
import type { ModelMember } from './conversation.js'
import type { World } from './world.js'

const roles = (members: ReadonlyMap<string, ModelMember>) =>
  [...members].map(([name, { role }]) => `${name} ${role}`)

/** Holds of every request that was taken, whoever made it. Call it before the model takes account of it. */
export function requireSound(world: World, one: AnyRequest): void {
  const { maker, changes, members, states, isExact } = one
  const before = world.members
  ok(isExact, 'exactly the lines that the rules ask for')
  ok(!world.retired.has(maker.signingKey), 'a device that a key knows as retired signs nothing')
  equal(maker.purpose, 'chat', 'a recovery device signs nothing')
  if (world.kind === 'group') {
    const admins = [...members.values()].filter(({ role }) => role === 'admin')
    ok(members.size < 2 || admins.length > 0, 'a group with members has an admin')
  }
  if (states === null) {
    const line = before.get(maker.username)
    const bound = world
      .user(maker.username)
      .states.find(({ devices }) => devices.some(({ id }) => id === maker.id))
    equal(line?.root, bound!.root, 'a member leaves under the root of the line')
    equal(world.kind, 'group')
    return
  }
  const rootOf = (name: string) => world.user(name).states[states.get(name)! - 1]!.root
  const isCurrent = (name: string) => members.get(name)?.root === rootOf(name)
  ok(isCurrent(maker.username), 'the maker is in under a current root')
  const { devices } = world.user(maker.username).states[states.get(maker.username)! - 1]!
  ok(
    devices.some(({ id }) => id === maker.id),
    'the maker’s device is active at the state'
  )
  for (const name of members.keys())
    ok(states.get(name)! >= (world.floors.get(name) ?? 0), 'a state never goes back')
  for (const change of changes)
    if ('member' in change && change.kind !== 'conversation-role')
      ok(
        isCurrent(change.member.username),
        'a user who is added or renewed is in under the root at the state'
      )
  if (before.size === 0) return
  const kinds = changes.map(({ kind }) => kind)
  ok(kinds.filter((kind) => kind === 'conversation-timer').length < 2, 'a request sets the timer once')
  if (world.kind === 'self') deepEqual(kinds, [])
  const isAdmin = world.kind === 'group' && before.get(maker.username)?.role === 'admin'
  if (!isAdmin) deepEqual(roles(members), roles(before), 'only an admin changes members and roles')
  if (!isAdmin && world.kind === 'group')
    ok(!kinds.includes('conversation-timer'), 'only an admin sets the timer of a group')
}
