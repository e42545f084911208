import { ChatClient } from '../src/client/client.js'
import { MemoryStore } from '../src/client/stores/memory.js'
import { startServer } from '../test/support/server-process.js'
import type { ServerBench } from './bench.js'
import { temporaryFolder } from './servers.js'

/** The values of a deployment. Tests use smaller ones. */
const env = { PASSWORD_ITERATIONS: '600000', RSA_KEY_SIZE: '3072' }
const password = 'correct horse battery staple'
const text = 'x'.repeat(350)

/**
 * The view of an app, with clients of the SDK: from an empty folder to the first message, then at full speed.
 */
export async function sdk({ owner, pg, quick, report }: ServerBench): Promise<void> {
  if (!quick) await fromNothing({ owner, report })
  const server = await startServer(owner, { env, databaseUrl: await pg.newDatabase(), nodeOptions: [] })
  const pair = await twoClients(server.url)
  const conversationId = await firstMessage(pair)
  const count = quick ? 100 : 3000
  const oneByOne = await seconds(async () => {
    for (let i = 0; i < count; i++) await pair.alice.send(conversationId, text)
  })
  report({ name: 'SDK: messages sent, one after the other', value: count / oneByOne, unit: '/s' })
  const atOnce = await seconds(() =>
    Promise.all(Array.from({ length: count }, () => pair.alice.send(conversationId, text)))
  )
  report({ name: 'SDK: messages sent, all at once', value: count / atOnce, unit: '/s' })
  const caughtUp = await seconds(() => receive(pair.bob, 2 * count))
  report({ name: 'SDK: missed messages received', value: (2 * count) / caughtUp, unit: '/s' })
  await Promise.all([pair.alice.close(), pair.bob.close()])
}

async function fromNothing({ owner, report }: Pick<ServerBench, 'owner' | 'report'>): Promise<void> {
  const started = performance.now()
  const fresh = await startServer(owner, { env, dataDir: await temporaryFolder(owner), nodeOptions: [] })
  const ready = performance.now()
  report({ name: 'first start on an empty folder, until ready', value: (ready - started) / 1000, unit: 's' })
  await firstMessage(await twoClients(fresh.url))
  const received = performance.now()
  report({ name: 'two accounts made, first message received', value: (received - ready) / 1000, unit: 's' })
  report({
    name: 'from nothing to the first message received',
    value: (received - started) / 1000,
    unit: 's'
  })
  await fresh.stop()
}

interface Pair {
  alice: ChatClient
  bob: ChatClient
}

async function twoClients(url: string): Promise<Pair> {
  const client = async (username: string) => {
    const chat = await ChatClient.open({ url, store: new MemoryStore() })
    await chat.register({ username, password })
    return chat
  }
  const [alice, bob] = await Promise.all([client('alice'), client('bob')])
  return { alice, bob }
}

/** @returns the conversation's id */
async function firstMessage({ alice, bob }: Pair): Promise<string> {
  const received = receive(bob, 1)
  const { conversationId } = await alice.send({ username: 'bob' }, text)
  await received
  return conversationId
}

async function receive(chat: ChatClient, count: number): Promise<void> {
  let left = count
  for await (const event of chat.events()) if (event.type === 'message' && --left === 0) return
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const since = performance.now()
  await work()
  return (performance.now() - since) / 1000
}
