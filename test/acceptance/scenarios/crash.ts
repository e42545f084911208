import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { eventually } from '../../support/eventually.js'
import { generateKeys } from '../../support/interop/crypto.js'
import { expect } from '../../support/interop/http.js'
import type { ServerProcess } from '../../support/server-process.js'
import { user } from '../../support/people.js'
import { messageOf, positionOf, rising } from './world.js'

const writers = 8
const crashes = 3

/** kill -9 under load, again and again: an answer of 201 is a promise. */
export async function crash(t: Test, server: ServerProcess): Promise<void> {
  const bob = await user(t, server, 'bob', { keys: await generateKeys() })
  const alice = await user(t, server, 'alice', { keys: await generateKeys(), connections: writers })
  const { id, answer } = await alice.createConversation('direct', ['bob'])
  expect(answer, 201)
  const stream = await bob.live()

  const told = new Map<string, number>()
  const moved: string[] = []
  let stopped = false
  let count = 0
  const writer = async (): Promise<void> => {
    while (!stopped) {
      const sealed = alice.seal(id, `message ${++count}`)
      const { body } = expect(await alice.sendSurely(id, sealed), 200, 201)
      if (body.id !== sealed.id || told.has(sealed.id)) moved.push(sealed.id)
      told.set(sealed.id, body.position)
    }
  }
  const load = Promise.all(Array.from({ length: writers }, writer))
  const more = async (messages: number): Promise<void> => {
    const goal = told.size + messages
    await eventually(() => told.size >= goal, `${goal} messages are answered`)
  }
  try {
    for (let i = 0; i < crashes; i++) {
      await more(100)
      await sleep(randomInt(0, 150))
      await server.restart('SIGKILL')
    }
    await more(100)
  } finally {
    stopped = true
  }
  await load

  t.same(moved, [], 'every answer was for the message that was sent')
  const kept = await bob.history(id)
  const places = new Map(kept.map((message) => [message.id, message.position]))
  t.ok(rising(kept.map(({ position }) => position)), 'the history is in the order of positions')
  t.equal(places.size, kept.length, 'no message is in the history twice, though many were sent twice')
  t.equal(kept.length, count, 'every message is in the history')
  const lost = [...told].filter(([message, position]) => places.get(message) !== position)
  t.same(lost, [], 'whatever was answered stands where the answer said')

  const last = kept.at(-1)?.position
  await stream.until(() => stream.received.some((event) => positionOf(event) === last), 'the last message')
  const streamed = stream.received.filter((event) => event.event === 'message').map(messageOf)
  t.equal(stream.connections, crashes + 1, 'the stream was resumed after each crash')
  t.same(
    streamed.map(({ id, position }) => [id, position]),
    kept.map(({ id, position }) => [id, position]),
    'the stream delivered each message once and in order'
  )
  const wrong: string[] = []
  for (const message of streamed) await bob.open(message).catch((error: unknown) => wrong.push(String(error)))
  t.same(wrong, [], 'every message opens')
}
