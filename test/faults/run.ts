import { writeFile } from 'node:fs/promises'
import { machine } from '../../bench/document.js'
import { findPostgres } from '../support/postgres.js'
import { withOwner } from '../support/with-owner.js'
import { faults } from './faults.js'
import { Stage } from './stage.js'

const DOCUMENT = 'docs/faults.md'

const HEAD = `# What happens when something breaks

Made by \`npm run faults -- --write\`, on ${machine()}.

Three servers on one PostgreSQL; at each a member of a group writes as fast as it is answered, and has a stream open. Then
something breaks. Afterwards it is checked that every message that was accepted is stored where the answer said, that it came
to every member once and in order, and to nobody else. The longest silence is how long some stream got nothing meanwhile:
the fault itself, and the time to recover.

| What breaks | messages accepted | longest silence | what became of them |
|---|---:|---:|---|
`

/** npm run faults -- [--write] [part of a fault's name] */
async function main(args: readonly string[]): Promise<void> {
  const part = args.find((arg) => !arg.startsWith('--')) ?? ''
  const rows: string[] = []
  let harmful = 0
  print('what breaks', 'accepted', 'longest silence', 'what became of them')
  await withOwner(async (owner) => {
    const postgres = await findPostgres(owner)
    if (typeof postgres === 'string') throw new Error(postgres)
    for (const { name, happen, ground } of faults.filter((fault) => fault.name.includes(part)))
      await withOwner(async (own) => {
        const special = await ground?.(own)
        if (typeof special === 'string') return print(name, '', '', `not tried: ${special}`)
        const stage = await Stage.set(own, { postgres, ...special })
        const { accepted, silence, wrong } = await stage.suffer(happen)
        if (wrong.length > 0) harmful++
        const verdict = wrong.length === 0 ? 'once, in order, to all members' : wrong.join('; ')
        const cells = [
          name,
          accepted.toLocaleString('en'),
          `${(silence / 1000).toFixed(2)} s`,
          verdict
        ] as const
        rows.push(`| ${cells.join(' | ')} |`)
        print(...cells)
      })
  })
  if (args.includes('--write')) await writeFile(DOCUMENT, `${HEAD}${rows.join('\n')}\n`)
  if (harmful > 0) throw new Error(`${harmful} of these have done harm`)
}

function print(fault: string, accepted: string, silence: string, verdict: string): void {
  process.stdout.write(`${fault.padEnd(56)}${accepted.padStart(10)}${silence.padStart(18)}  ${verdict}\n`)
}

await main(process.argv.slice(2))
