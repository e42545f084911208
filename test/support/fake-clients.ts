import { ChatClient } from '../../src/client/client.js'
import type { ChatClientOptions } from '../../src/client/options.js'
import { MemoryStore } from '../../src/client/stores/memory.js'
import { link, PASSWORD } from './chat-clients.js'
import type { FakeServer } from './fake-server.js'
import { useReadyKeys } from './ready-keys.js'
import type { Scope } from './server-process.js'

/** A client of the SDK that talks to a server in memory. */
export async function fakeClient(
  owner: Scope,
  { fetch }: FakeServer,
  options: Partial<ChatClientOptions> = {}
): Promise<ChatClient> {
  useReadyKeys()
  const store = new MemoryStore()
  const small = { url: 'http://fake', store, fetch, rsaKeyBits: 2048, random: () => 0 } as const
  const chat = await ChatClient.open({ ...small, ...options })
  owner.teardown(() => chat.close())
  return chat
}

/** The same, registered. */
export async function fakeUser(
  owner: Scope,
  server: FakeServer,
  username: string,
  options: Partial<ChatClientOptions> = {}
): Promise<ChatClient> {
  const chat = await fakeClient(owner, server, options)
  await chat.register({ username, password: PASSWORD })
  return chat
}

/** A second device of a user, linked by the first. */
export async function linkedDevice(
  owner: Scope,
  server: FakeServer,
  first: ChatClient,
  options: Partial<ChatClientOptions> = {}
): Promise<ChatClient> {
  const chat = await fakeClient(owner, server, options)
  await link(first, chat)
  return chat
}
