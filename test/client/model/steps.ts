import fc from 'fast-check'
import type { ChatClient } from '../../../src/client/client.js'
import type { IncomingMessage } from '../../../src/client/types/messages.js'
import { PASSWORD } from '../../support/chat-clients.js'
import type { Device } from './device.js'
import { lose } from './lost-answers.js'
import type { Person, World } from './world.js'

/** Numbers that choose among what is there. Smaller ones choose what is older. */
export interface Step {
  do: keyof typeof acts
  who: number
  on: number
  what: number
  /** Answers to requests that change something get lost: before or after they took effect. */
  lost: 'before' | 'after' | null
}

interface Scene {
  world: World
  device: Device
  chat: ChatClient
  /** Most often one that the person is in. */
  conversation: string
  /** Another person. */
  person: Person
  /** A device of that person. */
  other: Device
  /** A device of the device's own person. */
  own: Device
  n: number
}

/** What happens, in words, and the doing. Undefined: there is nothing to do. */
type Act = (scene: Scene) => [string, () => Promise<unknown>] | undefined

const DAY_MS = 86_400_000

const inConversation =
  (verb: string, work: (scene: Scene) => Promise<unknown>): Act =>
  (scene) =>
    scene.conversation === ''
      ? undefined
      : [`${scene.device.label} ${verb} ${scene.world.nameOf(scene.conversation)}`, () => work(scene)]

const onMember = (
  verb: string,
  work: (chat: ChatClient, conversation: string, name: string, n: number) => Promise<unknown>
): Act => {
  return ({ world, device, chat, conversation, person, n }) =>
    conversation === ''
      ? undefined
      : [
          `${device.label} ${verb} ${person.name} in ${world.nameOf(conversation)}`,
          () => work(chat, conversation, person.name, n)
        ]
}

/** All that an honest person and time can do. */
export const acts = {
  read: ({ device }) => [`${device.label} reads`, () => device.read()],
  send: inConversation('sends in', ({ world, chat, conversation }) => chat.send(conversation, world.text())),
  write: ({ world, device, chat, person }) => [
    `${device.label} writes to ${person.name}`,
    () => chat.send({ username: person.name }, world.text())
  ],
  react: inConversation('answers in', async ({ chat, conversation, n }) => {
    const messages: IncomingMessage[] = []
    for await (const item of chat.history(conversation, { limit: 10 }))
      if (item.type === 'message') messages.push(item)
    const message = messages[n % Math.max(1, messages.length)]
    if (message === undefined) return
    const { id, digest, own } = message
    const content = [
      { type: 'reaction', text: '+1' },
      ...(own ? [{ type: 'edit', text: 'better' } as const, { type: 'retract' } as const] : [])
    ] as const
    await chat.send(conversation, { ...content[n % content.length]!, ref: { id, digest } })
  }),
  history: inConversation('reads the history of', async ({ world, device, chat, conversation, n }) => {
    for await (const item of chat.history(conversation, n % 2 === 0 ? { after: 0 } : {}))
      world.see(device, item)
  }),
  group: ({ device, world, chat, n }) => {
    const others = world.people.filter((_, at) => (n & (1 << at)) !== 0).map(({ name }) => name)
    return [
      `${device.label} makes a group with ${others.join()}`,
      () => chat.conversations.createGroup('title', others)
    ]
  },
  add: onMember('adds', (chat, id, name, n) =>
    chat.conversations.add(id, name, n % 3 === 0 ? 'admin' : 'member')
  ),
  remove: onMember('removes', (chat, id, name) => chat.conversations.remove(id, name)),
  role: onMember('changes the role of', (chat, id, name, n) =>
    chat.conversations.setRole(id, name, n % 2 === 0 ? 'admin' : 'member')
  ),
  renew: onMember('renews', (chat, id, name) => chat.conversations.renew(id, name)),
  leave: inConversation('leaves', ({ chat, conversation }) => chat.conversations.leave(conversation)),
  timer: inConversation('sets the timer of', ({ chat, conversation, n }) =>
    chat.conversations.setTimer(conversation, 60 * (n % 3))
  ),
  rename: inConversation('renames', ({ chat, conversation, world }) =>
    chat.conversations.rename(conversation, world.text())
  ),
  list: ({ device, chat }) => [
    `${device.label} lists conversations`,
    () => chat.conversations.list({ readTitles: true })
  ],
  link: ({ world, device, n }) => {
    const { person } = device
    if (person.devices.length >= 4) return undefined
    return [
      `${device.label} links another device`,
      async () => {
        const fresh = await world.addDevice(person)
        await link(device, fresh)
        if (n % 2 === 0) await fresh.chat.contacts.goOnAlone()
      }
    ]
  },
  revoke: ({ device, own }) => [
    `${device.label} revokes ${own.label}`,
    () => device.chat.devices.revoke(own.id)
  ],
  rekey: ({ device, n }) => [
    `${device.label} rekeys${n % 4 === 3 ? ' and forgets' : ''}`,
    () =>
      n % 4 === 3
        ? device.forgetWith(() => device.chat.devices.rekey({ forgetPast: true }))
        : device.chat.devices.rekey()
  ],
  reset: ({ device }) => {
    const { person } = device
    return [
      `${device.label} resets`,
      async () => {
        const credentials = { username: person.name, password: PASSWORD }
        await device.forgetWith(() => device.chat.devices.reset(credentials))
        person.code = null
      }
    ]
  },
  accept: ({ device, chat, person }) => [
    `${device.label} accepts ${person.name}`,
    async () => {
      // Each says to the other which identity is theirs.
      const root = trueRoot(person)
      if (root !== undefined) await chat.contacts.accept(person.name, { root })
    }
  ],
  verify: ({ device, chat, other }) => [
    `${device.label} compares numbers with ${other.label}`,
    async () => {
      const number = await other.chat.contacts.safetyNumber(device.person.name)
      await chat.contacts.verify(other.person.name, number)
    }
  ],
  backup: ({ device, chat }) => [
    `${device.label} makes a backup`,
    async () => {
      device.person.code = (await chat.backup.create()).recoveryCode
    }
  ],
  restore: ({ world, device: { person } }) => {
    if (person.code === null || person.devices.length >= 4) return undefined
    return [
      `${person.name} restores the backup`,
      async () => {
        const fresh = await world.addDevice(person)
        const { code, name: username } = person
        const restored = await fresh.chat.restore({ username, password: PASSWORD, code: code! })
        person.code = restored.recoveryCode
      }
    ]
  },
  restart: ({ device }) => [`${device.label} restarts`, () => device.restart()],
  wait: ({ world, n }) => {
    const ms = [3_600_000, DAY_MS, 8 * DAY_MS, 95 * DAY_MS][n % 4]!
    return [
      `${ms / 3_600_000} hours pass`,
      async () => {
        world.time += ms
        return Promise.resolve()
      }
    ]
  }
} as const satisfies Record<string, Act>

/** A person compares the link numbers of two devices, which are equal. */
export async function link(first: Device, fresh: Device): Promise<void> {
  const login = await fresh.chat.login({ username: first.person.name, password: PASSWORD })
  if (login.status !== 'pending') return
  await first.chat.devices.approve(login.deviceId, { number: login.linkNumber })
  await fresh.chat.confirmLink(login.linkNumber)
  await fresh.chat.waitForApproval()
}

/** The root of a person who talks on a device. */
export function trueRoot(person: Person): string | undefined {
  const { world } = person.devices[0]!
  const user = world.server.users.get(person.name)
  const device = person.devices.find((one) => one.isActive)
  if (user === undefined || device === undefined) return undefined
  return user.history!.devices.get(device.chat.account!.fingerprint)?.root
}

/** @returns the words and the doing of a step, if there is anything to do */
export function resolve(world: World, { do: kind, who, on, what, lost }: Step) {
  const { devices, people } = world
  const device = devices[who % devices.length]!
  const conversations = on === 7 ? world.conversations : world.conversationsOf(device.person)
  const conversation = conversations[on % Math.max(1, conversations.length)] ?? ''
  const others = people.filter((person) => person !== device.person)
  const person = others[what % others.length]!
  const other = person.devices[(what >> 2) % person.devices.length]!
  const own = device.person.devices[what % device.person.devices.length]!
  const act: Act = acts[kind]
  const done = act({ world, device, chat: device.chat, conversation, person, other, own, n: what })
  if (done === undefined || lost === null) return done
  const [words, work] = done
  const losing = () => lose(world, lost, work)
  return [`${words} (answers lost ${lost})`, losing] as [string, () => Promise<unknown>]
}

const WEIGHTS: Record<keyof typeof acts, number> = {
  read: 12,
  send: 12,
  write: 6,
  react: 3,
  history: 4,
  group: 4,
  add: 5,
  remove: 4,
  role: 3,
  renew: 3,
  leave: 2,
  timer: 1,
  rename: 1,
  list: 2,
  link: 4,
  revoke: 3,
  rekey: 3,
  reset: 2,
  accept: 4,
  verify: 2,
  backup: 2,
  restore: 2,
  restart: 3,
  wait: 3
}

/** @param weights of some acts, if they shall be others than usual; 0 for never */
export function steps(weights: Partial<typeof WEIGHTS> = {}): fc.Arbitrary<Step> {
  const kinds = Object.entries({ ...WEIGHTS, ...weights }) as [keyof typeof acts, number][]
  return fc.record({
    do: fc.oneof(...kinds.map(([name, weight]) => ({ weight, arbitrary: fc.constant(name) }))),
    who: fc.nat({ max: 11 }),
    on: fc.nat({ max: 7 }),
    what: fc.nat({ max: 15 }),
    lost: fc.oneof(
      { weight: 12, arbitrary: fc.constant(null) },
      fc.constantFrom('before' as const, 'after' as const)
    )
  })
}
