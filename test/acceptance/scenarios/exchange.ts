import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { generateKeys } from '../../support/interop/crypto.js'
import { expect } from '../../support/interop/http.js'
import type { ServerProcess } from '../../support/server-process.js'
import { user } from '../../support/people.js'
import { messageOf, positionOf, rising } from './world.js'

const messages = 500
const connections = 8
const cuts = 20

/** Two users; a receiver whose connection keeps breaking. The two servers may be one. */
export async function exchange(t: Test, sending: ServerProcess, receiving: ServerProcess): Promise<void> {
  const bob = await user(t, receiving, 'bob', { keys: await generateKeys() })
  const alice = await user(t, sending, 'alice', { keys: await generateKeys(), connections })
  const { id, answer } = await alice.createConversation('direct', ['bob'])
  expect(answer, 201)

  const breaks = new Set<number>()
  while (breaks.size < cuts) breaks.add(randomInt(1, messages - 10))
  let arrived = 0
  const stream = await bob.live({
    onEvent: (event, self) => {
      if (event.event === 'message' && breaks.has(++arrived)) self.cut()
    }
  })

  const sent = new Map<string, { text: string; position: number }>()
  let next = 0
  const sender = async (): Promise<void> => {
    while (next < messages) {
      const text = `message ${++next} ✓`
      const sealed = alice.seal(id, text)
      const { body } = expect(await alice.post(id, sealed), 201)
      sent.set(sealed.id, { text, position: body.position })
      await sleep(randomInt(0, 40))
    }
  }
  await Promise.all(Array.from({ length: connections }, sender))
  const last = Math.max(...[...sent.values()].map(({ position }) => position))
  const reached = (): boolean => stream.received.some((event) => positionOf(event) === last)
  await stream.until(reached, 'the last message')
  // A message that comes twice would still be on its way.
  await sleep(200)

  const got = stream.received.filter((event) => event.event === 'message').map(messageOf)
  t.equal(stream.connections, cuts + 1, 'the stream was cut as often as was meant')
  t.equal(got.length, messages, 'as many messages came as were sent')
  t.equal(new Set(got.map((message) => message.id)).size, messages, 'none came twice')
  t.ok(rising(stream.durable().map(positionOf)), 'all events came in the order of their positions')
  const wrong: string[] = []
  for (const message of got) {
    const { text } = await bob.open(message)
    const was = sent.get(message.id)
    if (was === undefined || was.text !== text || was.position !== message.position) wrong.push(message.id)
  }
  t.same(wrong, [], 'each was opened to what was sent, at the position that the sender was told')
  const [first] = got
  t.same(bob.missing(first?.sessionKeyId ?? '', alice.keys.signingFp), [], 'no counter is missing')
  const kept = await bob.history(id)
  t.same(
    kept.map(({ id, position }) => [id, position]),
    got.map(({ id, position }) => [id, position]),
    'the history is what was streamed'
  )
}
