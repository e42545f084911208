import { writeFile } from 'node:fs/promises'
import { machine } from '../../bench/document.js'
import { findPostgres } from '../support/postgres.js'
import { withOwner } from '../support/with-owner.js'
import { faults } from './faults.js'
import { Stage } from './stage.js'

const DOCUMENT = 'docs/faults.md'

const HEAD = `# What happens when something breaks

Made by \`npm run faults -- --write\`, on ${machine()}.

Three servers share one PostgreSQL. At each of them a member of a group has a stream open, and writes its next message as
soon as the last one was accepted. Then something breaks. Afterwards the run checks that every accepted message is stored at
the position that the server returned, and that it came to every member once and in order, and to nobody else. The longest
silence is the longest time in which some stream got nothing: the fault itself, and the recovery.

| Fault | messages accepted | longest silence | messages came |
|---|---:|---:|---|
`

/** npm run faults -- [--write] [part of a fault's name] */
async function main(args: readonly string[]): Promise<void> {
  const part = args.find((arg) => !arg.startsWith('--')) ?? ''
  const rows: string[] = []
  let harmful = 0
  print('fault', 'accepted', 'longest silence', 'messages came')
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
