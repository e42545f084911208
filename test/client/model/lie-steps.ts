import { readHistory } from '../../../src/client/identity/user-record.js'
import fc from 'fast-check'
import type { ProblemCode } from '../../../src/protocol/problems.js'
import type { Device } from './device.js'
import type { Liar } from './liar.js'
import type { World } from './world.js'

/** The server begins, or ends, to lie to a device. */
export interface LieStep {
  lie: keyof typeof lies
  who: number
  on: number
  what: number
}

interface Scene {
  world: World
  liar: Liar
  device: Device
  conversation: string
  username: string
  n: number
}

/** What the server does, in words. Undefined: there is nothing to do. */
type Lie = (scene: Scene) => Promise<string | undefined> | string | undefined

const PATHS = [/^POST .*\/(chain|session-keys)$/, /^POST .*\/messages/, /^(POST|PUT|DELETE) /, /^GET /]
const SAYS: readonly (ProblemCode | 'done')[] = [
  'done',
  'conversation-not-found',
  'user-not-found',
  'device-not-found',
  'session-key-not-found',
  'not-admin',
  'rekey-required',
  'device-required',
  'key-backup-not-found'
]
const HIDDEN = ['message', 'device.chain', 'conversation.chain', 'history'] as const

const lies = {
  prefix: async ({ world, liar, device, username, n }) => {
    const user = world.server.users.get(username)!
    const count = Math.max(1, user.statements.length - 1 - n)
    liar.to(device.id).users.set(username, await user.fork(count))
    return `shows ${count} statements of ${username}`
  },
  hijack: async ({ world, liar, device, username }) => {
    // First sight is trust, until numbers are compared.
    if ((await readHistory(device.store, username)) === undefined) return undefined
    liar.to(device.id).users.set(username, await liar.hijacked(world.server.users.get(username)!))
    return `shows an identity of its own as ${username}`
  },
  chain: ({ world, liar, device, conversation, n }) => {
    if (conversation === '') return undefined
    liar.to(device.id).chains.set(conversation, n + 1)
    return `shows ${n + 1} requests of ${world.nameOf(conversation)}`
  },
  hide: ({ liar, device, n }) => {
    const type = HIDDEN[n % HIDDEN.length]!
    liar.to(device.id).hidden.add(type)
    return `hides ${type}`
  },
  replay: ({ liar, device, n }) => {
    liar.to(device.id).replay = { count: n, isNew: n % 2 === 0 }
    return `shows the last ${n} events again${n % 2 === 0 ? ' as new ones' : ''}`
  },
  answer: ({ liar, device, n, username }) => {
    const path = PATHS[n % PATHS.length]!
    const says = SAYS[(n + username.length) % SAYS.length]!
    const isDone = n % 3 === 0
    liar.to(device.id).answer = { path, says, isDone }
    return `answers ${says} to ${path.source}${isDone ? ', and does it' : ''}`
  },
  freeze: async ({ liar, device }) => {
    await liar.freeze(device.id)
    return 'shows nothing new any more, and takes messages under any key'
  },
  keepSessions: ({ world, n }) => {
    world.server.endsSessions = n % 2 === 0
    return `${world.server.endsSessions ? 'ends' : 'keeps'} the sessions of devices that are gone`
  },
  stop: ({ liar, device }) => {
    liar.stop(device.id)
    return 'is honest'
  }
} as const satisfies Record<string, Lie>

/** @returns the words and the doing of a lie, if there is anything to do */
export function resolveLie(world: World, liar: Liar, { lie, who, on, what }: LieStep) {
  const device = world.devices[who % world.devices.length]!
  const conversations = world.conversationsOf(device.person)
  const conversation = conversations[on % Math.max(1, conversations.length)] ?? ''
  const username = world.people[what % world.people.length]!.name
  const scene = { world, liar, device, conversation, username, n: what >> 1 }
  const tell: Lie = lies[lie]
  const work = async (): Promise<string> => (await tell(scene)) ?? 'nothing'
  return [`the server to ${device.label}:`, work] as const
}

export function lieSteps(): fc.Arbitrary<LieStep> {
  return fc.record({
    lie: fc.oneof(
      { weight: 4, arbitrary: fc.constant('freeze' as const) },
      { weight: 2, arbitrary: fc.constant('hijack' as const) },
      { weight: 6, arbitrary: fc.constantFrom(...(Object.keys(lies) as (keyof typeof lies)[])) }
    ),
    who: fc.nat({ max: 11 }),
    on: fc.nat({ max: 7 }),
    what: fc.nat({ max: 15 })
  })
}
