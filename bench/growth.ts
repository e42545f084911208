import pg from 'pg'
import { MESSAGE_BYTES, type ServerBench } from './bench.js'
import { median } from './load/percentile.js'
import { cursorOf, startOurs, type Target } from './servers.js'
import type { World } from './world.js'

const FEW = 10_000
const MISSED = 1000
const CONNECTIONS = 64

/** The same server with few and with many stored messages, in turn. */
export async function growth({ owner, pg: postgres, load, quick, report, ...bench }: ServerBench) {
  const many = quick ? 100_000 : 10_000_000
  const start = (messages: number) =>
    startOurs(owner, postgres, undefined, [], (url, world) => fill(url, world, messages))
  const small = await start(FEW)
  const large = await start(many)
  const sends = async ({ port, tokens, conversations }: Target) => {
    const plan = { port, tokens, conversations, bytes: MESSAGE_BYTES, connections: CONNECTIONS }
    return (await load('closedLoop', { ...plan, warmUpMs: 250, measureMs: quick ? 700 : 1500 })).perSecond
  }
  const catchUp = async (target: Target) => {
    const [epoch, last] = (await cursorOf(target)).split('-')
    const plan = { port: target.port, tokens: target.tokens.slice(0, 1), atOnce: 1, messages: MISSED }
    return (await load('catchUp', { ...plan, after: `${epoch}-${Number(last) - MISSED}` })).milliseconds
  }
  for (const target of [small, large]) await sends(target)
  const measure = async () => ({
    sendsSmall: await sends(small),
    sendsLarge: await sends(large),
    catchUpSmall: await catchUp(small),
    catchUpLarge: await catchUp(large)
  })
  type Round = Awaited<ReturnType<typeof measure>>
  const rounds: Round[] = []
  for (let round = 0; round < bench.rounds; round++) rounds.push(await measure())
  const middle = (value: (of: Round) => number) => median(rounds.map(value))
  const stored = `with ${many.toLocaleString('en')} messages stored : with ${FEW.toLocaleString('en')}`
  report({
    name: `time for a send, ${stored}`,
    value: middle((r) => 1e6 / r.sendsLarge),
    unit: 'µs',
    baseline: middle((r) => 1e6 / r.sendsSmall),
    ratio: middle((r) => r.sendsSmall / r.sendsLarge),
    target: { of: 'ratio', atMost: 1.15 }
  })
  report({
    name: `catch-up of ${MISSED} messages, ${stored}`,
    value: middle((r) => r.catchUpLarge),
    unit: 'ms',
    baseline: middle((r) => r.catchUpSmall),
    ratio: middle((r) => r.catchUpLarge / r.catchUpSmall),
    target: { of: 'ratio', atMost: 1.15 }
  })
}

/** Writes messages of the first user straight into the log: all conversations in turn, with rising ids. */
export async function fill(
  connectionString: string,
  { conversations }: World,
  messages: number
): Promise<void> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    await client.query(
      `insert into events (position, type, conversation_id, created_at, message_id, sender_id, sender_device_id,
         session_key_id, iv, ciphertext, signature)
       select h.last + g, 'message', ($1::uuid[])[1 + g % $3], now(), lpad(to_hex(h.last + g), 32, '0')::uuid, d.user_id, d.id,
         ($2::uuid[])[1 + g % $3], '\\x000102030405060708090a0b', decode(repeat(md5(g::text), 17), 'hex'),
         decode(repeat(md5(g::text), 4), 'hex')
       from generate_series(1, $4::int) g, log_head h, (select id, user_id from devices order by id limit 1) d`,
      [
        conversations.map(({ id }) => id),
        conversations.map(({ sessionKeyId }) => sessionKeyId),
        conversations.length,
        messages
      ]
    )
    await client.query('update log_head set last = last + $1', [messages])
    await client.query('vacuum analyze events')
  } finally {
    await client.end()
  }
}
