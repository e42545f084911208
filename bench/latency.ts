import pg from 'pg'
import { MESSAGE_BYTES, type ServerBench } from './bench.js'
import { percentile } from './load/percentile.js'

/** The time from the moment that a POST is due until the receiver has the event, at fixed rates. */
export async function latency({ pg: postgres, load, senders, quick, report }: ServerBench): Promise<void> {
  const { port, tokens, conversations } = await senders()
  const sending = { port, tokens, conversations, bytes: MESSAGE_BYTES, connections: 64 }
  await load('closedLoop', { ...sending, warmUpMs: 0, measureMs: quick ? 500 : 1000 })
  await load('openStreams', { port, tokens: [tokens[0]!] })
  for (const perSecond of quick ? [2000] : [500, 2000]) {
    const commit = await bareCommit(postgres.url, quick ? 100 : 500)
    const plan = {
      ...sending,
      perSecond,
      readers: 1,
      warmUpMs: quick ? 500 : 1000,
      measureMs: quick ? 1500 : 10_000
    }
    const result = await load('fixedRate', plan)
    const line = (label: string, value: number) => ({ name: `${label} at ${perSecond}/s`, value, unit: 'ms' })
    report({
      ...line('POST → SSE p50 : bare commit’s p50', result.p50),
      baseline: commit,
      target: { of: 'difference', atMost: 1.5 }
    })
    report({
      ...line('POST → SSE p99 : bare commit’s p50', result.p99),
      baseline: commit,
      target: { of: 'difference', atMost: 10 }
    })
    report(line('POST → SSE p99.9', result.p999))
    report(line('POST → 201 p50', result.responseP50))
    report(line('POST → 201 p99', result.responseP99))
    report(line('of which the generator was late p50', result.lateP50))
    report(line('of which the generator was late p99', result.lateP99))
  }
  await load('closeStreams', undefined)
}

/** Median milliseconds to commit one row, for one client on an idle server. */
async function bareCommit(connectionString: string, count: number): Promise<number> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  await client.query('create table if not exists bare_commit (id bigserial primary key, body text)')
  const times: number[] = []
  for (let n = 0; n < count; n++) {
    const since = performance.now()
    await client.query({ name: 'bare', text: 'insert into bare_commit (body) values ($1)', values: ['x'] })
    times.push(performance.now() - since)
  }
  await client.end()
  return percentile(
    times.sort((a, b) => a - b),
    0.5
  )
}
