import { MESSAGE_BYTES, type ServerBench } from './bench.js'
import { startOurs } from './servers.js'

const STREAMS = 1000

/** One conversation with a thousand members, who all have a stream open. */
export async function fanOut({ owner, pg, load, quick, report }: ServerBench): Promise<void> {
  const everybody = Array.from({ length: STREAMS }, (_, n) => n)
  const { port, tokens, conversations } = await startOurs(owner, pg, { users: STREAMS, groups: [everybody] })
  const senders = { port, tokens, conversations, bytes: MESSAGE_BYTES }
  await load('openStreams', { port, tokens })

  const slowPlan = { ...senders, connections: 20, perSecond: 20, readers: STREAMS }
  const slow = await load('fixedRate', {
    ...slowPlan,
    warmUpMs: quick ? 500 : 1500,
    measureMs: quick ? 1500 : 10_000
  })
  report({
    name: 'fan-out of one message to 1,000 streams, first to last',
    value: (STREAMS * 1000) / slow.spread,
    unit: 'deliveries/s',
    target: { of: 'value', atLeast: 100_000 }
  })
  report({
    name: 'the slowest of 1,000 streams at 20 messages/s, p50',
    value: slow.p50,
    unit: 'ms',
    target: { of: 'value', atMost: 15 }
  })
  report({ name: 'the slowest of 1,000 streams at 20 messages/s, p99', value: slow.p99, unit: 'ms' })

  const full = { ...senders, connections: 8, warmUpMs: 500, measureMs: quick ? 1000 : 5000 }
  const { deliveries, busy } = await load('fanOut', full)
  report({
    name: 'fan-out to 1,000 streams, 8 senders at full speed',
    value: deliveries,
    unit: 'deliveries/s'
  })
  report({ name: 'load generator busy meanwhile, of one core', value: busy, unit: '' })
  await load('closeStreams', undefined)
}
