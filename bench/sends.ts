import { MESSAGE_BYTES, type ServerBench } from './bench.js'
import type { Throughput } from './load/closed-loop.js'
import { median } from './load/percentile.js'
import type { Load } from './load-generator.js'
import { cpuSeconds, startOurs, startStandIn, type Target } from './servers.js'

/** Saturates our server and the floor: while a batch of 256 is stored, the next one has to arrive. */
const CONNECTIONS = 384

interface Slice extends Throughput {
  /** Processor time of the server process per send, in microseconds. */
  cpu: number
}

/**
 * Durable sends per second and their baselines, in short slices that take turns, since the machine is noisy.
 */
export async function sends(bench: ServerBench): Promise<void> {
  const { owner, pg, load, quick, report } = bench
  const start = {
    floor: () => startStandIn(owner, 'floor', pg),
    postgres: bench.senders,
    bare: () => startStandIn(owner, 'bare', pg),
    pglite: () => startOurs(owner, null),
    insert: () => startStandIn(owner, 'insert', pg),
    sink: () => startStandIn(owner, 'sink', pg)
  }
  type Name = keyof typeof start
  const names = (Object.keys(start) as Name[]).filter(
    (name) => !quick || (name !== 'bare' && name !== 'sink')
  )
  const targets = await Promise.all(names.map(async (name) => ({ name, target: await start[name]() })))
  const measureMs = quick ? 300 : 1500
  for (const { target } of targets) await slice(load, target, quick ? 500 : 1000)
  const rounds: Record<Name, Slice>[] = []
  for (let round = 0; round < bench.rounds; round++) {
    const slices: Partial<Record<Name, Slice>> = {}
    for (const { name, target } of targets) slices[name] = await slice(load, target, measureMs)
    rounds.push(slices as Record<Name, Slice>)
  }

  const rate = (name: Name) => median(rounds.map((round) => round[name].perSecond))
  const cpu = (name: Name) => median(rounds.map((round) => round[name].cpu))
  const ratio = (of: Name, to: Name, figure: 'perSecond' | 'cpu' = 'perSecond') =>
    median(rounds.map((round) => round[of][figure] / round[to][figure]))
  const compare = (name: string, to: Name, atLeast: number, of: 'postgres' | 'pglite' = 'postgres') =>
    report({
      name,
      value: rate(of),
      unit: '/s',
      baseline: rate(to),
      ratio: ratio(of, to),
      target: { of: 'ratio', atLeast }
    })
  compare('durable sends, PostgreSQL : JWT floor', 'floor', 0.9)
  if (!quick) compare('durable sends, PostgreSQL : bare route, no JWT, no database', 'bare', 0.6)
  compare('durable sends, PostgreSQL : one INSERT per request', 'insert', 6)
  report({
    name: 'durable sends, PGlite : JWT floor',
    value: rate('pglite'),
    unit: '/s',
    baseline: rate('floor'),
    ratio: ratio('pglite', 'floor'),
    target: { of: 'value', atLeast: 3000 }
  })
  report({
    name: 'server CPU per send, PostgreSQL : JWT floor',
    value: cpu('postgres'),
    unit: 'µs',
    baseline: cpu('floor'),
    ratio: ratio('postgres', 'floor', 'cpu')
  })
  if (!quick) report({ name: 'server CPU per send, bare route', value: cpu('bare'), unit: 'µs' })
  const middle = (figure: 'p50' | 'p99' | 'busy') => median(rounds.map(({ postgres }) => postgres[figure]))
  report({
    name: `send answered, PostgreSQL, ${CONNECTIONS} connections, p50`,
    value: middle('p50'),
    unit: 'ms'
  })
  report({
    name: `send answered, PostgreSQL, ${CONNECTIONS} connections, p99`,
    value: middle('p99'),
    unit: 'ms'
  })
  report({ name: 'load generator busy meanwhile, of one core', value: middle('busy'), unit: '' })
  if (quick) return
  report({
    name: 'load generator’s ceiling : JWT floor',
    value: rate('sink'),
    unit: '/s',
    baseline: rate('floor'),
    ratio: ratio('sink', 'floor'),
    target: { of: 'ratio', atLeast: 1.5 }
  })
}

async function slice(load: Load, target: Target, measureMs: number): Promise<Slice> {
  const { port, pid, tokens, conversations } = target
  const plan = { port, tokens, conversations, bytes: MESSAGE_BYTES, connections: CONNECTIONS }
  const warmUpMs = 250
  const before = cpuSeconds(pid)
  const result = await load('closedLoop', { ...plan, warmUpMs, measureMs })
  const sent = (result.perSecond * (warmUpMs + measureMs)) / 1000
  return { ...result, cpu: ((cpuSeconds(pid) - before) * 1e6) / sent }
}
