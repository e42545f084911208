import type { ChatClient } from '../../src/client/client.js'
import type { ChatClientOptions } from '../../src/client/options.js'
import { MemoryStore } from '../../src/client/stores/memory.js'
import type { ChatEvent } from '../../src/client/types/events.js'
import type { Incoming } from '../../src/client/types/messages.js'
import type { ConversationKind } from '../../src/protocol/statements.js'
import { all, Listener, listening, textOf } from './chat-clients.js'
import { fakeClient, fakeUser } from './fake-clients.js'
import { FakeServer } from './fake-server.js'
import type { FakeUser } from './fake-user.js'
import type { FakeRequest } from './fake-world.js'
import {
  binding,
  nextPlace,
  publicKeys,
  puppetDevice,
  reset,
  type Puppet,
  type PuppetDevice
} from './puppet.js'
import { puppetTalk, type PuppetTalk } from './puppet-talk.js'
import { refillReadyKeys } from './ready-keys.js'
import type { Scope } from './server-process.js'

/** Bob, who uses the SDK, in a conversation with puppets, on a server that lies as a test says. */
export interface Scene {
  readonly server: FakeServer
  readonly bob: ChatClient
  readonly store: MemoryStore
  readonly talk: PuppetTalk
  /** Bob as the server has their account. */
  readonly user: FakeUser
  /** Bob hears events from now on. */
  readonly listen: () => Promise<Listener>
}

interface SceneOptions extends Partial<ChatClientOptions> {
  kind?: ConversationKind
}

/** The first puppet creates the conversation. Bob has not looked at it yet. */
export async function scene<N extends string>(
  owner: Scope,
  names: readonly N[],
  { kind = 'group', ...options }: SceneOptions = {}
): Promise<Scene & Record<N, Puppet>> {
  refillReadyKeys()
  const server = new FakeServer()
  const store = new MemoryStore()
  const bob = await fakeUser(owner, server, 'bob', { store, ...options })
  const user = server.requireUser('bob')
  const puppets = {} as Record<N, Puppet>
  for (const name of names) puppets[name] = await server.puppet(name)
  const [first, ...others] = names.map((name) => puppets[name])
  const members = [[first!.user, kind === 'group' ? 'admin' : 'member'] as const]
  const rest = [...others.map((one) => [one.user] as const), [user] as const]
  const talk = await puppetTalk(server, kind, [...members, ...rest], first!)
  const listen = (): Promise<Listener> => listening(owner, bob)
  return { server, bob, store, talk, user, listen, ...puppets }
}

/** Two clients of one store read the stream. The second one stops at the message `busy` until it is let on. */
export async function twoReaders(
  owner: Scope,
  { server, store, listen }: Pick<Scene, 'server' | 'store' | 'listen'>
): Promise<{ first: Listener; second: Listener; goOn: () => void }> {
  const other = await fakeClient(owner, server, { store })
  let goOn: () => void = () => undefined
  const isBusy = new Promise<void>((resolve) => (goOn = resolve))
  const slow = {
    async *events(...args: Parameters<typeof other.events>) {
      for await (const event of other.events(...args)) {
        yield event
        if (textOf(event) === 'busy') await isBusy
      }
    }
  }
  const [first, second] = [await listen(), new Listener(owner, slow)]
  await second.first('connected')
  return { first, second, goOn }
}

/**
 * The server alone puts an identity of its own in a user's place.
 *
 * @param id bind other keys of the server to this device id, too
 * @returns the device with that id, or the new root
 */
export async function hijack(user: FakeUser, id?: string): Promise<PuppetDevice> {
  const root = await puppetDevice()
  await reset(user, root)
  if (id === undefined) return root
  const evil = await puppetDevice({ id })
  await user.append(await binding('device-add', nextPlace(user), evil, root), publicKeys(evil))
  return evil
}

/** Whether a request passes a session key on to another own device. */
export const isWrap = ({ method, path }: FakeRequest): boolean => method === 'POST' && path.endsWith('/wraps')

/** An event or item in short: its text, its error's code, or the range that is missing. */
export function inShort(item: ChatEvent | Incoming): string {
  if (item.type === 'unreadable' || item.type === 'untrusted') return item.error.code
  if (item.type === 'withheld') return `withheld ${item.first}–${item.last}`
  return textOf(item) ?? item.type
}

/** The items that a client reads in a conversation, in short, oldest first. */
export async function told(chat: ChatClient, conversationId: string, after = 0): Promise<string[]> {
  return (await all<Incoming>(chat.history(conversationId, { after }))).map(inShort)
}

/** What became of a call: `done`, or the code of its error. */
export function outcome(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'done',
    (error: unknown) => {
      if (error instanceof Error && 'code' in error) return String(error.code)
      throw error
    }
  )
}

/** Whether the client has wrapped a session key for this device id. */
export function hasWrappedFor({ seen }: FakeServer, deviceId: string): boolean {
  return seen.some(({ body }) => {
    const wraps = (body?.key?.wraps ?? body?.wraps ?? []) as { deviceId: string }[]
    return wraps.some((wrap) => wrap.deviceId === deviceId)
  })
}
