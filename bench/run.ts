import { cpus, totalmem } from 'node:os'
import { findPostgres } from '../test/support/postgres.js'
import type { Owner } from '../test/support/server-process.js'
import type { Bench } from './bench.js'
import { fanOut } from './fan-out.js'
import { idleStreams } from './idle-streams.js'
import { latency } from './latency.js'
import { startLoad } from './load-generator.js'
import { asJson, asText, heading } from './report.js'
import { sends } from './sends.js'

const sections = { sends, latency, 'fan-out': fanOut, 'idle-streams': idleStreams }

/** npm run bench -- [--quick] [--json] [section…] */
async function main(args: readonly string[]): Promise<void> {
  const json = args.includes('--json')
  const wanted = args.filter((arg) => !arg.startsWith('--'))
  const unknown = wanted.find((name) => !(name in sections))
  if (unknown !== undefined)
    throw new Error(`there is no section ${unknown}: ${Object.keys(sections).join(', ')}`)
  await withOwner(async (owner) => {
    const pg = await findPostgres(owner)
    if (typeof pg === 'string') throw new Error(pg)
    if (!json) {
      const [cpu] = cpus()
      const gib = Math.round(totalmem() / 2 ** 30)
      console.log(
        `${cpu?.model}, ${cpus().length} cores, ${gib} GiB, Node.js ${process.version}\n${heading()}`
      )
    }
    const bench = {
      ...{ pg, quick: args.includes('--quick'), load: startLoad(owner) },
      report: (line) => console.log(json ? asJson(line) : asText(line))
    } satisfies Omit<Bench, 'owner'>
    for (const [name, section] of Object.entries(sections))
      if (wanted.length === 0 || wanted.includes(name))
        await withOwner((own) => section({ ...bench, owner: own }))
  })
}

async function withOwner(work: (owner: Owner) => Promise<void>): Promise<void> {
  const undo: (() => unknown)[] = []
  try {
    await work({ teardown: (one) => undo.unshift(one) })
  } finally {
    for (const one of undo) await one()
  }
}

await main(process.argv.slice(2))
