import { MESSAGE_BYTES, type ServerBench } from './bench.js'
import { median } from './load/percentile.js'
import { cursorOf, residentBytes, startOurs, type Target } from './servers.js'

const MISSED = 10_000
const BATCH = 100
const GROUP = 10
const STREAMS = 5000

/** One stream that missed many messages, and many streams that were cut at once and missed a few. */
export async function catchUp(bench: ServerBench): Promise<void> {
  await oneStream(bench)
  if (!bench.quick) await storm(bench)
}

async function oneStream({ owner, pg, load, rounds, report }: ServerBench): Promise<void> {
  const target = await startOurs(owner, pg, { users: 1, groups: [[0]] })
  const { port, tokens } = target
  await send(target, MISSED / BATCH)
  const rates: number[] = []
  for (let round = 0; round < rounds; round++) {
    const { milliseconds } = await load('catchUp', { port, tokens, after: '0', messages: MISSED, atOnce: 1 })
    rates.push((MISSED / milliseconds) * 1000)
  }
  report({
    name: `catch-up of ${MISSED} missed messages, one stream`,
    value: median(rates),
    unit: '/s',
    target: { of: 'value', atLeast: 50_000 }
  })
}

/** All streams reconnect at the same moment. Each has missed messages. */
async function storm({ owner, pg, load, report }: ServerBench): Promise<void> {
  const groups = Array.from({ length: STREAMS / GROUP }, (_, group) =>
    Array.from({ length: GROUP }, (_, n) => group * GROUP + n)
  )
  const target = await startOurs(owner, pg, { users: STREAMS, groups })
  const { port, pid, tokens } = target
  await load('openStreams', { port, tokens })
  const after = await cursorOf(target)
  await load('closeStreams', undefined)
  await send(target, groups.length)
  const before = residentBytes(pid)
  const { milliseconds } = await load('catchUp', {
    port,
    tokens,
    after,
    atOnce: STREAMS,
    messages: STREAMS * BATCH
  })
  report({
    name: `${STREAMS} streams cut at once, each has its ${BATCH} missed messages after`,
    value: milliseconds / 1000,
    unit: 's'
  })
  const peak = (residentBytes(pid) - before) / 2 ** 20
  report({ name: 'resident meanwhile, above before', value: peak, unit: 'MiB' })
}

/** Sends batches to the conversations in turn, as the first member of each. */
async function send({ port, tokens, conversations }: Target, batches: number): Promise<void> {
  for (let n = 0; n < batches; n++) {
    const { id, sessionKeyId, key } = conversations[n % conversations.length]!
    const message = () => ({
      id: crypto.randomUUID(),
      sessionKeyId,
      key,
      iv: base64(12),
      ciphertext: base64(MESSAGE_BYTES),
      signature: base64(64)
    })
    const response = await fetch(`http://127.0.0.1:${port}/v1/conversations/${id}/messages/batch`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${tokens[(n * GROUP) % tokens.length]}`
      },
      body: JSON.stringify({ messages: Array.from({ length: BATCH }, message) })
    })
    const { items } = (await response.json()) as { items: { status: number }[] }
    if (!items.every(({ status }) => status === 201)) throw new Error('a batch was refused')
  }
}

function base64(bytes: number): string {
  return Buffer.alloc(bytes, 7).toString('base64')
}
