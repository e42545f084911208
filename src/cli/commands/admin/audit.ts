import { InvalidArgumentError, type Command } from 'commander'
import type { AuditPage } from '../../../client/node.js'
import { EXIT, ExitError } from '../../errors.js'
import { username, wholeNumber } from '../../parsers.js'
import { formatTime } from '../../terminal/format.js'
import { print, printJson, type Io } from '../../terminal/io.js'
import { sanitize } from '../../terminal/sanitize.js'
import { done, JSON_OPTION, type Admin, type AsAdmin } from './connect.js'
import { allOf, take } from './pages.js'

interface Place {
  id: number
  hash: string
}
interface Which {
  subject?: string
  actor?: string
  action?: string
  limit: number
  json?: boolean
}

/** `admin audit …` */
export function auditCommands(admin: Command, asAdmin: AsAdmin): void {
  const audit = admin.command('audit').description('what admins and the operator did')
  audit
    .command('list', { isDefault: true })
    .description('list what was done, newest first')
    .option('--subject <name>', 'only what was done to this user', username)
    .option('--actor <name>', 'only what this user did', username)
    .option('--action <name>', 'only acts of this kind, such as user.suspend')
    .option('--limit <number>', 'the most lines', wholeNumber(1), 50)
    .option(...JSON_OPTION)
    .action(({ limit, json, ...which }: Which) =>
      asAdmin(async ({ io, client }) => {
        const rows = await take(
          allOf((range) => client.audit({ ...range, ...which })),
          limit
        )
        for (const row of rows) printRow(io, row, json)
      })
    )
  audit
    .command('verify')
    .description('check that no row of the audit was changed or taken away; print the newest one, to be kept')
    .option(
      '--from <id:hash>',
      'begin at a row that you have kept: only so you see if the newest are gone',
      place
    )
    .option(...JSON_OPTION)
    .action(({ from, json }: { from?: Place; json?: boolean }) =>
      asAdmin((connected) => verify(connected, from, json))
    )
}

function place(text: string): Place {
  const [, id, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? []
  if (id !== undefined && hash !== undefined) return { id: Number(id), hash }
  throw new InvalidArgumentError('It must be a row’s number and its hash, as `audit verify` prints them.')
}

async function verify(connected: Admin, from: Place | undefined, json: boolean | undefined): Promise<void> {
  const { io, client } = connected
  let verified = 0
  let page = await client.verifyAudit(from)
  for (;;) {
    verified += page.verified
    if (page.complete) break
    io.signal.throwIfAborted()
    page = await client.verifyAudit(page.last)
  }
  const { last, fault } = page
  if (json === true) printJson(io, { verified, last, fault })
  else print(io, `${last.id}:${last.hash}`)
  if (fault === null) return done(connected, `${verified} rows fit. Keep the line above for --from.`)
  done(connected, `Row ${fault.id} ${fault.reason === 'missing' ? 'is gone' : 'was changed'}.`)
  throw new ExitError(EXIT.refused)
}

function printRow(io: Io, row: AuditPage['items'][number], json: boolean | undefined): void {
  if (json === true) return printJson(io, row)
  const { id, at, actorKind, actor, action, subject, details, address } = row
  const more = Object.entries(details ?? {}).map(([name, value]) => `${name}=${String(value)}`)
  const cells = [
    String(id),
    formatTime(at),
    actorKind === 'user' ? (actor ?? '?') : `(${actorKind})`,
    action,
    subject ?? '',
    more.join(' '),
    address === null ? '' : `from ${address}`
  ]
  print(io, cells.filter(Boolean).map(sanitize).join('  '))
}
