import { countedLimits, type CountedLimit } from '../access/counted-limits.js'
import { readConfig } from '../config.js'
import { sizes, stored, turns, type Row } from './limit-rows.js'
import { code, number, time, value } from './limit-texts.js'

/** The text of `docs/limits.md`. All numbers come from where the server takes them. */
export function limitsPage(): string {
  return `# Limits

All limits of a server. A name such as \`MAX_DEVICES\` is a setting of [\`.env.example\`](../.env.example), with its default
in brackets; other numbers are fixed. A network is an IPv4 address, or the /64 of an IPv6 address. The refusals are
[problems](problems.md); their \`detail\` says which limit is reached. This page is generated from the code by
\`npm run openapi\`.

## Counted in time

A request over one of these limits gets 429 \`too-many-requests\`, and \`Retry-After\` says when there is room: at the end of
the time, which begins with the first that is counted. All processes count together, so a limit can be exceeded by the
requests of one second. With the embedded database a restart begins again with nothing.
\`secure-chat admin users limits NAME\` shows what counts against a user under the names of this table, and \`--reset\` takes it
away. \`RATE_LIMIT=off\` switches all of these limits off.

${table(['name', 'what is counted', 'for each', 'at most', 'within'], counted())}

## Counted from what is stored, or open

These limits are for one user, unless the table says otherwise.

${table(HEAD, stored())}

## Time and turns

${table(HEAD, turns())}

## Sizes

${table(HEAD, sizes())}
`
}

const HEAD = ['what', 'at most', 'for each', 'refused with', 'room again']

function counted(): string[][] {
  const config = readConfig({})
  return Object.entries<CountedLimit>(countedLimits).map(([name, { what, per, windowMs, setting, max }]) => [
    code(name),
    what,
    per,
    setting === undefined ? number(max(config)) : value(setting),
    time(windowMs)
  ])
}

function table(head: string[], rows: readonly (string[] | Row)[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const body = rows.map((row) =>
    line(row.map((cell, column) => (head[column] === 'refused with' ? problem(cell) : cell!)))
  )
  return [line(head), line(head.map(() => '---')), ...body].join('\n')
}

const problem = (name: string | null) => (name === null ? '' : `[${code(name)}](problems.md#${name})`)
