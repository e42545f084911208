import { writeFile } from 'node:fs/promises'
import pg from 'pg'
import { findPostgres, type Postgres } from '../test/support/postgres.js'
import type { Scope } from '../test/support/server-process.js'
import { withOwner } from '../test/support/with-owner.js'
import { batches } from './batches.js'
import type { Bench, ServerBench } from './bench.js'
import { catchUp } from './catch-up.js'
import { cold } from './cold.js'
import { cryptography } from './cryptography.js'
import { asMarkdown, machine } from './document.js'
import { fanOut } from './fan-out.js'
import { groups } from './groups.js'
import { growth } from './growth.js'
import { idleStreams } from './idle-streams.js'
import { latency } from './latency.js'
import { neighbours } from './neighbours.js'
import { startLoad } from './load-generator.js'
import { overload } from './overload.js'
import { asJson, asText, heading, type Line } from './report.js'
import { sdk } from './sdk.js'
import { sends } from './sends.js'
import { startOurs, type Target } from './servers.js'
import { start } from './start.js'

const DOCUMENT = 'docs/benchmarks.md'

const serverSections: Record<string, (bench: ServerBench) => Promise<void>> = {
  sends,
  batches,
  latency,
  'fan-out': fanOut,
  'catch-up': catchUp,
  groups,
  neighbours,
  cold,
  growth,
  overload,
  'idle-streams': idleStreams,
  start,
  sdk
}
const sections = ['crypto', ...Object.keys(serverSections)]
/** Left out by `--quick`: they need millions of messages or long slices. */
const slow = ['growth', 'overload']

/** npm run bench -- [--quick] [--json] [--write] [section…] */
async function main(args: readonly string[]): Promise<void> {
  const [quick, json, write] = ['--quick', '--json', '--write'].map((option) => args.includes(option))
  const named = args.filter((arg) => !arg.startsWith('--'))
  const unknown = named.find((name) => !sections.includes(name))
  if (unknown !== undefined) throw new Error(`there is no section ${unknown}: ${sections.join(', ')}`)
  if (!json) console.log(`${machine()}\n${heading()}`)
  const lines: Line[] = []
  const benchOf = (section: string): Bench => ({
    quick: quick!,
    rounds: quick ? 2 : 7,
    report(figure) {
      const line = { section, ...figure }
      lines.push(line)
      console.log(json ? asJson(line) : asText(line))
    }
  })
  const byDefault = quick ? sections.filter((name) => !slow.includes(name)) : sections
  const wanted = named.length === 0 ? byDefault : sections.filter((name) => named.includes(name))
  if (wanted.includes('crypto')) await cryptography(benchOf('crypto'))
  if (wanted.every((name) => name === 'crypto') && !write) return
  await withPostgres(async (postgres, load, whole) => {
    let shared: Promise<Target> | undefined
    for (const [name, section] of Object.entries(serverSections))
      if (wanted.includes(name))
        await withOwner((owner) => {
          const senders = () => (quick ? (shared ??= startOurs(whole, postgres)) : startOurs(owner, postgres))
          return section({ ...benchOf(name), pg: postgres, load, owner, senders })
        })
    if (!write) return
    const command = ['npm run bench --', ...args].join(' ')
    const date = new Date().toISOString().slice(0, 10)
    await writeFile(DOCUMENT, asMarkdown(lines, { command, postgres: await versionOf(postgres), date }))
  })
}

async function versionOf({ url }: Postgres): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ server_version: string }>('show server_version')
  await client.end()
  return rows[0]!.server_version
}

async function withPostgres(
  work: (pg: Postgres, load: ReturnType<typeof startLoad>, owner: Scope) => Promise<void>
): Promise<void> {
  await withOwner(async (owner) => {
    const pg = await findPostgres(owner)
    if (typeof pg === 'string') throw new Error(pg)
    await work(pg, startLoad(owner), owner)
  })
}

await main(process.argv.slice(2))
