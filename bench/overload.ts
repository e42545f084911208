import { MESSAGE_BYTES, type ServerBench } from './bench.js'
import type { Throughput } from './load/closed-loop.js'
import { median } from './load/percentile.js'

/** Connections that saturate the server. */
const PEAK = 256
/** Multiples of `PEAK`. */
const OVERLOADS = [3, 20]

/** The throughput that is left when many more connections send than the server can serve. */
export async function overload({ load, senders, quick, report }: ServerBench): Promise<void> {
  const { port, tokens, conversations } = await senders()
  const measureMs = quick ? 1500 : 3000
  const slice = (connections: number) =>
    load('closedLoop', {
      port,
      tokens,
      conversations,
      bytes: MESSAGE_BYTES,
      connections,
      warmUpMs: 500,
      measureMs
    })
  await slice(PEAK)
  for (const times of OVERLOADS) {
    const rounds: { peak: Throughput; over: Throughput }[] = []
    for (let round = 0; round < 3; round++)
      rounds.push({ peak: await slice(PEAK), over: await slice(PEAK * times) })
    const middle = (value: (of: (typeof rounds)[0]) => number) => median(rounds.map(value))
    report({
      name: `sends with ${times} times the connections that saturate it`,
      value: middle(({ over }) => over.perSecond),
      unit: '/s',
      baseline: middle(({ peak }) => peak.perSecond),
      ratio: middle(({ over, peak }) => over.perSecond / peak.perSecond),
      target: { of: 'ratio', atLeast: 0.8 }
    })
    report({ name: 'answered meanwhile, p99', value: middle(({ over }) => over.p99), unit: 'ms' })
  }
}
