import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { eventually } from '../../support/eventually.js'
import { generateKeys } from '../../support/interop/crypto.js'
import { isDurable } from '../../support/interop/events.js'
import { expect } from '../../support/interop/http.js'
import type { ServerProcess } from '../../support/server-process.js'
import type { InteropClient } from '../../support/interop/client.js'
import { user } from '../../support/people.js'
import { positionOf } from './world.js'

const writers = 8
const streamReaders = 4

interface Seen {
  readonly name: string
  readonly positions: number[]
  readonly ids: Map<number, string>
}

/** Reads on by stream, and breaks the connection every now and then. */
async function byStream(reader: InteropClient, seen: Seen): Promise<() => void> {
  const stream = await reader.live({
    keep: false,
    onEvent: (event) => {
      if (!isDurable(event)) return
      seen.positions.push(positionOf(event))
      if (event.event === 'message') seen.ids.set(positionOf(event), String(event.data['id']))
    }
  })
  let timer: NodeJS.Timeout
  const breaks = (): void => {
    stream.cut()
    timer = setTimeout(breaks, randomInt(50, 500))
  }
  timer = setTimeout(breaks, randomInt(50, 500))
  return () => {
    clearTimeout(timer)
    stream.close()
  }
}

async function byPolling(reader: InteropClient, seen: Seen, cursor: string): Promise<() => void> {
  let stopped = false
  const loop = async (): Promise<void> => {
    for (let after = cursor; !stopped;) {
      const { body } = expect(await reader.poll(after, 1), 200)
      for (const item of body.items) {
        const position = Number(item.data['position'])
        seen.positions.push(position)
        if (item.event === 'message') seen.ids.set(position, String(item.data['id']))
      }
      after = body.cursor
    }
  }
  const over = loop().catch((error: unknown) => seen.ids.set(-1, String(error)))
  return () => {
    stopped = true
    void over
  }
}

/**
 * The log is the whole server's: its positions are dense for a reader who may see all events, and here all
 * are messages of one group. A gap would mean a position that became visible late, or never.
 */
export async function densePositions(
  t: Test,
  servers: readonly ServerProcess[],
  seconds: number
): Promise<void> {
  const people: InteropClient[] = []
  for (let i = 0; i < writers + streamReaders + 1; i++) {
    const server = servers[i % servers.length]
    if (server === undefined) throw new Error('no server')
    const name = i < writers ? `writer-${i}` : `reader-${i - writers}`
    people.push(await user(t, server, name, { keys: await generateKeys(), connections: 4 }))
  }
  const [founder] = people
  if (founder === undefined) throw new Error('nobody')
  const { id, answer } = await founder.createConversation(
    'group',
    people.slice(1).map((one) => one.username)
  )
  expect(answer, 201)
  for (const one of people.slice(1, writers)) await one.fetchKeys(id)

  const readers = people.slice(writers)
  const seen: Seen[] = readers.map(({ username }) => ({ name: username, positions: [], ids: new Map() }))
  const start = expect(await founder.poll('0'), 200).body.cursor
  const stops = await Promise.all(
    readers.map((reader, i) => {
      const own = seen[i]
      if (own === undefined) throw new Error('no reader')
      return i < streamReaders ? byStream(reader, own) : byPolling(reader, own, start)
    })
  )

  const told = new Map<number, string>()
  const doubled: number[] = []
  const end = Date.now() + seconds * 1000
  const enough = 25 * seconds
  const writer = async (one: InteropClient): Promise<void> => {
    for (let n = 1; Date.now() < end || told.size <= enough; n++) {
      const { body } = expect(await one.post(id, one.seal(id, `${one.username} ${n}`)), 201)
      if (told.has(body.position)) doubled.push(body.position)
      told.set(body.position, body.id)
    }
  }
  await Promise.all(people.slice(0, writers).map(writer))

  const positions = [...told.keys()].sort((a, b) => a - b)
  const first = positions[0] ?? 0
  const last = positions.at(-1) ?? 0
  const haveAll = () => seen.every((one) => one.positions.at(-1) === last)
  // The comparisons below say better what is missing.
  await eventually(haveAll).catch(() => undefined)
  // An event that comes twice would still be on its way.
  await sleep(300)
  for (const stop of stops) stop()
  t.comment(`${told.size} messages in ${seconds} s`)
  t.same(doubled, [], 'no position was given twice')
  t.equal(last - first + 1, told.size, 'the positions of the answers are dense')
  for (const one of seen) {
    const gaps = one.positions.filter((position, i) => position !== first + i).slice(0, 5)
    t.same(gaps, [], `${one.name} saw each position once, in order, from the first`)
    t.equal(one.positions.length, told.size, `${one.name} saw all`)
    const wrong = [...told].filter(([position, message]) => one.ids.get(position) !== message)
    t.same(wrong.slice(0, 5), [], `${one.name} saw each message at the position its writer was told`)
  }
}
