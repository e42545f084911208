import type { Command } from 'commander'
import { username } from '../../parsers.js'
import { formatTable, formatTime } from '../../terminal/format.js'
import { print, printJson } from '../../terminal/io.js'
import { sanitize } from '../../terminal/sanitize.js'
import { done, JSON_OPTION, type Admin, type AsAdmin } from './connect.js'

interface Options {
  reset?: true
  json?: boolean
}

/** `admin users limits` */
export function limitsCommand(users: Command, asAdmin: AsAdmin): void {
  users
    .command('limits')
    .description('show what counts against a user at the moment; the audit remembers that you looked')
    .argument('<name>', 'username', username)
    .option('--reset', 'let nothing count against the user')
    .option(...JSON_OPTION)
    .action((name: string, { reset, json }: Options) =>
      asAdmin(async (connected) => {
        if (reset !== true) return showLimits(connected, name, json)
        await connected.client.resetLimits(name)
        done(connected, `Nothing counts against ${name} any more.`)
      })
    )
}

async function showLimits(connected: Admin, name: string, json: boolean | undefined): Promise<void> {
  const { io, client } = connected
  const limits = await client.limits(name)
  if (json === true) return limits.forEach((limit) => printJson(io, limit))
  if (limits.length === 0) return done(connected, `Nothing counts against ${name}.`)
  const rows = limits.map(({ name, used, max, until }) => [
    sanitize(name),
    `${used} of ${max}`,
    `until ${formatTime(until)}`
  ])
  formatTable(rows).forEach((line) => print(io, line))
}
