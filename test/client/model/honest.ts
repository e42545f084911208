import type { ChatError } from '../../../src/client/errors.js'
import type { ChatEvent } from '../../../src/client/types/events.js'
import { PASSWORD, textOf } from '../../support/chat-clients.js'
import { inShort } from '../../support/malicious-server.js'
import { refillReadyKeys } from '../../support/ready-keys.js'
import type { Device } from './device.js'
import { trueRoot } from './steps.js'
import { World, type Watch } from './world.js'

const NAMES = ['alice', 'bob', 'carol', 'dave']

/** People who have an account each, and a group of three of them. */
export async function populated(): Promise<World> {
  refillReadyKeys()
  const world = new World()
  for (const name of NAMES) {
    const device = await world.addDevice(world.addPerson(name))
    await device.chat.register({ username: name, password: PASSWORD })
  }
  await world.devices[0]!.chat.conversations.createGroup('group', ['bob', 'carol'])
  for (const device of world.devices) await device.read()
  return world
}

/** The same people, who have all met each other. */
export async function acquainted(): Promise<World> {
  const world = await populated()
  for (const { chat, person } of world.devices)
    for (const { name } of world.people) if (name !== person.name) await chat.contacts.get(name)
  return world
}

/**
 * Do groups of steps. The steps of one group begin at the same time.
 *
 * @param find gives the words and the doing of a step, if there is anything to do
 * @param after awaited after each group
 */
export async function play<S>(
  world: World,
  groups: readonly (readonly S[])[],
  find: (step: S) => readonly [string, () => Promise<unknown>] | undefined,
  after: () => Promise<void> = () => Promise.resolve()
): Promise<void> {
  for (const group of groups) {
    if (group.length > 1) world.note(`${group.length} at once:`)
    await Promise.all(
      group.map(async (step) => {
        const found = find(step)
        if (found !== undefined) await world.step(...found)
      })
    )
    await after()
  }
}

/** All accept each other as they are now. Then everybody can talk everywhere, and all read it. */
export async function reconcile(world: World): Promise<void> {
  const { server } = world
  world.note('All read, accept each other, renew each other, and send:')
  world.isBrief = true
  const readAll = async () => {
    for (const device of world.devices)
      if (device.isActive) await world.step(`${device.label} reads`, () => device.read())
  }
  // An interrupted revocation goes on when its device reads.
  await readAll()
  // A reset that failed has left a session without a device.
  for (const { chat, label, person, isActive } of world.devices)
    if (isActive)
      await world.step(`${label} logs in`, () => chat.login({ username: person.name, password: PASSWORD }))
  const active = world.devices.filter(({ isActive }) => isActive)
  for (const device of active)
    for (const person of world.people) {
      const root = trueRoot(person)
      if (person !== device.person && root !== undefined)
        await world.step(`${device.label} accepts ${person.name}`, () =>
          device.chat.contacts.accept(person.name, { root })
        )
    }
  await readAll()
  const rootOf = (name: string) => server.users.get(name)!.root
  for (const [id, { chain }] of server.conversations)
    for (const [name, { root }] of chain.members) {
      const renewer = active.find(({ person }) => {
        const member = chain.members.get(person.name)
        return member?.role === 'admin' && member.root === rootOf(person.name)
      })
      if (root !== rootOf(name) && renewer !== undefined)
        await world.step(`${renewer.label} renews ${name} in ${world.nameOf(id)}`, () =>
          renewer.chat.conversations.renew(id, name)
        )
    }
  await readAll()
  const sent: { text: string; id: string }[] = []
  // Nobody can say which identity is that of a person who has reset, and has no device.
  const isUnknown = (name: string): boolean =>
    trueRoot(world.person(name)) === undefined &&
    server.users.get(name)!.statements.some(({ text }) => text.includes('device-reset'))
  for (const [id, { members }] of server.conversations)
    for (const device of [...members.keys()].some(isUnknown) ? [] : active) {
      const { name } = device.person
      if (members.get(name)?.root !== rootOf(name)) continue
      const text = world.text()
      const words = `${device.label} sends “${text}” in ${world.nameOf(id)}`
      const outcome = await world.step(words, () => device.chat.send(id, text))
      if (outcome !== 'done') world.broken(`“${words}” ends with ${outcome}`)
      sent.push({ text, id })
    }
  await readAll()
  for (const { text, id } of sent)
    for (const device of active) {
      const { members } = server.conversations.get(id)!
      if (members.get(device.person.name)?.root !== rootOf(device.person.name)) continue
      if (!device.heard.some((event) => textOf(event) === text))
        world.broken(
          `${device.label} has not heard “${text}” in ${world.nameOf(id)}, but ${device.heard.slice(-20).map(inShort).join(', ')}`
        )
    }
}

/** Alarms that are true with an honest server, too: one refuses an interrupted change that another has overtaken. */
const TRUE_ALARMS = new Set([
  'displaced',
  'revoked',
  'late-statement',
  'identity-changed',
  'refused-request',
  'refused-statement'
])

/** With an honest server nothing is ever untrusted, withheld or out of order. */
export function honestWatch(world: World): Watch {
  return {
    event: (device, event) => {
      const trouble = troubleOf(event) ?? missingKey(world, device, event)
      if (trouble !== null) world.broken(`${device.label} is told: ${trouble}`)
    },
    ended: (step, _, error) => {
      const { kind, code, message } = (error ?? {}) as ChatError
      if (kind === 'untrusted' && !TRUE_ALARMS.has(code)) world.broken(`“${step}” fails: ${code}: ${message}`)
    }
  }
}

/** A session key that was made for the device, and that it does not have. */
function missingKey({ server }: World, device: Device, event: ChatEvent): string | null {
  // A reset that was interrupted may have come into the chain since: its keys are others.
  if (event.type !== 'unreadable' || device.mayLack(event.key) || !device.isActive) return null
  const { keys } = server.conversations.get(event.conversationId)!
  const key = keys.find(({ hash }) => hash === event.key)
  return key?.wraps.has(device.id) === true ? `no key: ${event.error.message}` : null
}

function troubleOf(event: ChatEvent): string | null {
  switch (event.type) {
    case 'untrusted':
      return TRUE_ALARMS.has(event.error.code)
        ? null
        : `untrusted ${event.error.code}: ${event.error.message}`
    case 'unreadable':
      return event.reason === 'untrusted' ? `unreadable ${event.error.code}: ${event.error.message}` : null
    case 'withheld':
      return `withheld ${event.first}–${event.last} of ${event.from.username}`
    case 'reordered':
      return `reordered ${event.n} of ${event.from.username}`
    default:
      return null
  }
}
