import fc from 'fast-check'
import type { Device } from './device.js'
import type { Liar } from './liar.js'
import type { World } from './world.js'

/** One step of a plot. A run has them in a row: such steps seldom come together by chance. */
export interface PlotStep {
  plot: keyof typeof plots
  /** Its place in the plot. */
  at: number
  who: number
  what: number
}

interface Scene {
  world: World
  liar: Liar
  /** A device of the person who is deceived. */
  one: Device
  /** A device of another person. */
  other: Device
}

type Act = readonly [words: string, work: (scene: Scene) => unknown]

const reads: Act = ['the one reads', ({ one }) => one.read()]
const otherReads: Act = ['the other reads', ({ other }) => other.read()]
const writes: Act = [
  'the one writes to the other',
  ({ world, one, other }) => one.chat.send({ username: other.person.name }, world.text())
]

/** At the end of each, a client has to refuse something. */
const plots = {
  /** Somebody whom one talks to is given an identity of the server's. */
  impostor: [
    writes,
    [
      'the server shows, and tells of, an identity of its own as the other',
      async ({ world, liar, one, other }) => {
        const evil = await liar.hijacked(world.server.users.get(other.person.name)!)
        const lies = liar.to(one.id)
        lies.users.set(evil.username, evil)
        lies.news.push(evil)
      }
    ],
    reads,
    writes
  ],
  /** A member who does not see the removal speaks on. */
  outcast: [
    [
      'the one makes a group with the other',
      ({ one, other }) => one.chat.conversations.createGroup('outcast', [other.person.name])
    ],
    otherReads,
    ['the server shows the other nothing new any more', ({ liar, other }) => liar.freeze(other.id)],
    [
      'the one removes the other',
      (scene) => scene.one.chat.conversations.remove(groupOf(scene), scene.other.person.name)
    ],
    ['the other sends there', (scene) => scene.other.chat.send(groupOf(scene), scene.world.text())],
    reads
  ],
  /** The server takes back what it has shown of a user's chain. */
  cut: [
    writes,
    ['the other rekeys', ({ other }) => other.chat.devices.rekey()],
    reads,
    [
      'the server shows the first statement of the other, and no more',
      async ({ world, liar, one, other }) => {
        const user = world.server.users.get(other.person.name)!
        liar.to(one.id).users.set(user.username, await user.fork(1))
      }
    ],
    ['the one looks at the other', ({ one, other }) => one.chat.contacts.get(other.person.name)],
    writes
  ]
} as const satisfies Record<string, readonly Act[]>

/** The newest group that the one has made. */
function groupOf({ world, one }: Scene): string {
  const id = world.conversations.findLast((id) => {
    const { history, members } = world.server.conversations.get(id)!
    return history.chain?.kind === 'group' && members.get(one.person.name)?.role === 'admin'
  })
  return id ?? world.conversations[0]!
}

/** @returns the words and the doing of a step of a plot */
export function resolvePlot(world: World, liar: Liar, { plot, at, who, what }: PlotStep) {
  const { people } = world
  const one = people[who % people.length]!
  const other = people.filter((person) => person !== one)[what % (people.length - 1)]!
  const [first, second] = [one, other].map(
    ({ devices }) => devices.find(({ isActive }) => isActive) ?? devices[0]!
  )
  const [words, work]: Act = plots[plot][at]!
  const act = async (): Promise<unknown> => {
    const done = await work({ world, liar, one: first!, other: second! })
    return typeof done === 'string' ? done : undefined
  }
  return [`${plot} of ${first!.label} with ${second!.label}: ${words}`, act] as const
}

/** The steps of a plot, in their order. */
export function wholePlots(): fc.Arbitrary<PlotStep[]> {
  const kinds = Object.keys(plots) as (keyof typeof plots)[]
  return fc
    .record({ plot: fc.constantFrom(...kinds), who: fc.nat({ max: 3 }), what: fc.nat({ max: 2 }) })
    .map((one) => plots[one.plot].map((_, at) => ({ ...one, at })))
}
