import { setTimeout as sleep } from 'node:timers/promises'
import { emptyDataDir } from '../test/support/empty-database.js'
import { startServer } from '../test/support/server-process.js'
import type { ServerBench } from './bench.js'
import { median } from './load/percentile.js'
import { cpuSeconds, residentBytes } from './servers.js'

/** The time until a restarted server answers, and the cost of an idle server. */
export async function start({ owner, pg, quick, report }: ServerBench): Promise<void> {
  const pglite = { dataDir: await emptyDataDir(owner), nodeOptions: [] }
  const postgres = { databaseUrl: await pg.newDatabase(), nodeOptions: [] }
  const servers = [
    { name: 'PGlite', server: await startServer(owner, pglite), start: 3 },
    { name: 'PostgreSQL', server: await startServer(owner, postgres), start: 1, busy: 1, resident: 100 }
  ]
  for (const { name, server, start } of servers) {
    const times: number[] = []
    for (let round = 0; round < (quick ? 1 : 5); round++) {
      await server.stop()
      const since = performance.now()
      await server.start()
      times.push((performance.now() - since) / 1000)
    }
    report({
      name: `start on what is there, until ready, ${name}`,
      value: median(times),
      unit: 's',
      target: { of: 'value', atMost: start }
    })
  }
  // A process that has just started tidies its memory for some seconds.
  await sleep(quick ? 500 : 12_000)
  const seconds = quick ? 2 : 20
  const before = servers.map(({ server }) => cpuSeconds(server.pid!))
  await sleep(seconds * 1000)
  const after = servers.map(({ server }) => cpuSeconds(server.pid!))
  const atMost = (limit: number | undefined) =>
    limit === undefined ? {} : { target: { of: 'value' as const, atMost: limit } }
  for (const [n, { name, server, busy, resident }] of servers.entries()) {
    const share = ((after[n]! - before[n]!) / seconds) * 100
    report({ name: `idle server, of one core, ${name}`, value: share, unit: '%', ...atMost(busy) })
    const mebibytes = residentBytes(server.pid!) / 2 ** 20
    report({ name: `idle server, resident, ${name}`, value: mebibytes, unit: 'MiB', ...atMost(resident) })
  }
}
