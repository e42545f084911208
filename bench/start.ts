import { setTimeout as sleep } from 'node:timers/promises'
import { startServer, type ServerOptions } from '../test/support/server-process.js'
import type { ServerBench } from './bench.js'
import { median } from './load/percentile.js'
import { cpuSeconds, residentBytes, temporaryFolder } from './servers.js'

const ROUNDS = 5

/** How soon a server that has run before answers again, and what it costs while nobody asks. */
export async function start({ owner, pg, quick, report }: ServerBench): Promise<void> {
  const kinds = [
    ['PGlite', { dataDir: await temporaryFolder(owner) }, 3],
    ['PostgreSQL', { databaseUrl: await pg.newDatabase() }, 1]
  ] satisfies [string, ServerOptions, number][]
  for (const [name, options, atMost] of kinds) {
    const server = await startServer(owner, { ...options, nodeOptions: [] })
    const times: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      await server.stop()
      const since = performance.now()
      await server.start()
      times.push((performance.now() - since) / 1000)
    }
    report({
      name: `start on what is there, until ready, ${name}`,
      ...{ value: median(times), unit: 's', target: { of: 'value', atMost } }
    })
    const seconds = quick ? 5 : 20
    await sleep(2000)
    const before = cpuSeconds(server.pid!)
    await sleep(seconds * 1000)
    const busy = ((cpuSeconds(server.pid!) - before) / seconds) * 100
    const isPostgres = name === 'PostgreSQL'
    report({
      name: `idle server, of one core, ${name}`,
      ...{ value: busy, unit: '%', ...(isPostgres && { target: { of: 'value', atMost: 1 } }) }
    })
    report({
      name: `idle server, resident, ${name}`,
      ...{ value: residentBytes(server.pid!) / 2 ** 20, unit: 'MiB' },
      ...(isPostgres && { target: { of: 'value', atMost: 100 } })
    })
    await server.stop()
  }
}
