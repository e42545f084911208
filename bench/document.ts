import { cpus, totalmem } from 'node:os'
import { cells, type Line } from './report.js'

/** The command, the database and the day of a run. */
export interface Circumstances {
  command: string
  postgres: string
  /** The day, as `2026-01-31`. */
  date: string
}

export function machine(): string {
  const [cpu] = cpus()
  return `${cpu?.model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node.js ${process.version}`
}

/** The figures as a page of the documentation, with one table per section. */
export function asMarkdown(lines: readonly Line[], { command, postgres, date }: Circumstances): string {
  const sections = [...new Set(lines.map(({ section }) => section))]
  const table = (section: string) =>
    [
      `## ${section}\n`,
      `\`npm run bench -- ${section}\`\n`,
      '| | value | baseline | ratio | target | reached |',
      '|---|---:|---:|---:|---|---|',
      ...lines.filter((line) => line.section === section).map((line) => `| ${cells(line).join(' | ')} |`)
    ].join('\n')
  return `${head(command, postgres, date)}\n\n${sections.map(table).join('\n\n')}\n`
}

function head(command: string, postgres: string, date: string): string {
  return `# Benchmarks

Made by \`${command}\`, ${date}. The meaning of each line, and why some targets are missed, is in
[bench/README.md](../bench/README.md).

${machine()}, PostgreSQL ${postgres}.
Client, server and database share the machine: ratios within one run count, absolute figures drift from minute to minute.`
}
