import type { Command } from 'commander'
import { formatTable } from '../../terminal/format.js'
import { print, printJson, type Io } from '../../terminal/io.js'
import { sanitize } from '../../terminal/sanitize.js'
import { UsageError } from '../../errors.js'
import { done, JSON_OPTION, type AsAdmin } from './connect.js'

interface Options {
  json?: boolean
}

/** `admin stats`, `admin storage`, `admin config`, `admin announce`: the server as a whole. */
export function serverCommands(admin: Command, asAdmin: AsAdmin): void {
  admin
    .command('stats')
    .description('count users, devices, sessions, conversations and messages')
    .option(...JSON_OPTION)
    .action(({ json }: Options) =>
      asAdmin(async ({ io, client }) => {
        const { users, ...counts } = await client.stats()
        if (json === true) return printJson(io, { users, ...counts })
        const { total, ...kinds } = users
        printTable(io, [['users', total], ...Object.entries(kinds), ...Object.entries(counts)])
      })
    )
  admin
    .command('storage')
    .description('show what the tables of the database take')
    .option(...JSON_OPTION)
    .action(({ json }: Options) =>
      asAdmin(async ({ io, client }) => {
        const use = await client.storage()
        if (json === true) return printJson(io, use)
        printTable(io, [
          ['all', `${mib(use.databaseBytes)} MiB`],
          ...use.tables.map(({ name, bytes }): Row => [name, `${mib(bytes)} MiB`])
        ])
      })
    )
  admin
    .command('config')
    .description('show all settings of the server; secrets are left out')
    .option(...JSON_OPTION)
    .action(({ json }: Options) =>
      asAdmin(async ({ io, client }) => {
        const { settings } = await client.config()
        for (const { name, value } of settings)
          if (json === true) printJson(io, { name, value })
          else print(io, sanitize(`${name}=${value ?? ''}`))
      })
    )
  admin
    .command('announce')
    .description('tell all users something: their clients show it once, as from the operator')
    .argument('[text]', 'plain text, up to 1,000 characters')
    .option('--clear', 'take the notice away')
    .action((text: string | undefined, { clear }: { clear?: true }) =>
      asAdmin(async (connected) => {
        if ((text === undefined) !== (clear === true))
          throw new UsageError('Give a text, or --clear to take the notice away.')
        await connected.client.announce(text ?? null)
        done(connected, text === undefined ? 'There is no notice.' : 'All users will see the notice.')
      })
    )
}

type Row = [name: string, value: string | number]

function printTable(io: Io, rows: readonly Row[]): void {
  const lines = formatTable(rows.map(([name, value]) => [sanitize(name), sanitize(String(value))]))
  lines.forEach((line) => print(io, line))
}

const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1)
