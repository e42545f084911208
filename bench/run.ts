import { cpus, totalmem } from 'node:os'
import { findPostgres } from '../test/support/postgres.js'
import { withOwner } from '../test/support/with-owner.js'
import type { Bench, ServerBench } from './bench.js'
import { cryptography } from './cryptography.js'
import { fanOut } from './fan-out.js'
import { idleStreams } from './idle-streams.js'
import { latency } from './latency.js'
import { startLoad } from './load-generator.js'
import { asJson, asText, heading } from './report.js'
import { sdk } from './sdk.js'
import { sends } from './sends.js'

const serverSections = { sends, latency, 'fan-out': fanOut, 'idle-streams': idleStreams, sdk }
const sections = ['crypto', ...Object.keys(serverSections)]

/** npm run bench -- [--quick] [--json] [section…] */
async function main(args: readonly string[]): Promise<void> {
  const json = args.includes('--json')
  const named = args.filter((arg) => !arg.startsWith('--'))
  const unknown = named.find((name) => !sections.includes(name))
  if (unknown !== undefined) throw new Error(`there is no section ${unknown}: ${sections.join(', ')}`)
  const isWanted = (name: string) => named.length === 0 || named.includes(name)
  if (!json) {
    const [cpu] = cpus()
    const gib = Math.round(totalmem() / 2 ** 30)
    console.log(`${cpu?.model}, ${cpus().length} cores, ${gib} GiB, Node.js ${process.version}\n${heading()}`)
  }
  const bench: Bench = {
    quick: args.includes('--quick'),
    report: (line) => console.log(json ? asJson(line) : asText(line))
  }
  if (isWanted('crypto')) await cryptography(bench)
  const wanted = Object.entries(serverSections).filter(([name]) => isWanted(name))
  if (wanted.length > 0) await withServers(bench, Object.fromEntries(wanted))
}

async function withServers(
  bench: Bench,
  wanted: Record<string, (bench: ServerBench) => Promise<void>>
): Promise<void> {
  await withOwner(async (owner) => {
    const pg = await findPostgres(owner)
    if (typeof pg === 'string') throw new Error(pg)
    const load = startLoad(owner)
    for (const section of Object.values(wanted))
      await withOwner((own) => section({ ...bench, pg, load, owner: own }))
  })
}

await main(process.argv.slice(2))
