import type { Command } from 'commander'
import type { AdminInvite, AdminInvitePage } from '../../../client/node.js'
import { uuid, wholeNumber } from '../../parsers.js'
import { formatTime } from '../../terminal/format.js'
import { print, printJson, type Io } from '../../terminal/io.js'
import { sanitize } from '../../terminal/sanitize.js'
import { done, JSON_OPTION, type Admin, type AsAdmin } from './connect.js'
import { allOf } from './pages.js'

interface New {
  uses?: number
  days?: number
  note?: string
  admin?: true
  bot?: true
  json?: boolean
}

/** `admin invites …` */
export function inviteCommands(admin: Command, asAdmin: AsAdmin): void {
  const invites = admin.command('invites').description('invitations to register, whoever made them')
  invites
    .command('list', { isDefault: true })
    .description('list all invitations, newest first, and who came by them')
    .option(...JSON_OPTION)
    .action(({ json }: { json?: boolean }) =>
      asAdmin(async ({ io, client }) => {
        for await (const invite of allOf((range) => client.invites(range))) printInvite(io, invite, json)
      })
    )
  invites
    .command('create')
    .description('make an invitation, and print its link')
    .option('--uses <number>', 'accounts that may be made with it (default: 1)', wholeNumber(1))
    .option('--days <number>', 'days until it ends (default: 7)', wholeNumber(1))
    .option('--note <text>', 'for whom it is')
    .option('--admin', 'the new users become admins of the server')
    .option('--bot', 'the accounts are for programs')
    .option(...JSON_OPTION)
    .action(({ uses, days, note, admin: isAdmin, bot, json }: New) =>
      asAdmin(async (connected) => {
        const invite = await connected.client.invite({
          ...(uses !== undefined && { maxUses: uses }),
          ...(days !== undefined && { days }),
          ...(note !== undefined && { note }),
          ...(isAdmin === true && { role: 'admin' as const }),
          ...(bot === true && { kind: 'bot' as const })
        })
        await showInvite(connected, invite, json)
      })
    )
  invites
    .command('revoke')
    .description('revoke an invitation: it admits nobody any more')
    .argument('<id>', 'id of the invitation', uuid)
    .action((id: string) =>
      asAdmin(async (connected) => {
        await connected.client.revokeInvite(id)
        done(connected, 'The invitation is revoked.')
      })
    )
}

/** Print the link of a new invitation. */
export async function showInvite(
  { io, origin }: Admin,
  invite: AdminInvite,
  json: boolean | undefined
): Promise<void> {
  const link = `${await origin()}/#/join/${invite.token}`
  if (json === true) printJson(io, { ...invite, link })
  else print(io, link)
}

function printInvite(io: Io, invite: AdminInvitePage['items'][number], json: boolean | undefined): void {
  if (json === true) return printJson(io, invite)
  const { id, createdBy, note, maxUses, uses, expiresAt, revokedAt, usedBy } = invite
  const names = usedBy.map(({ username }) => username)
  const cells = [
    id,
    revokedAt === null ? `until ${formatTime(expiresAt)}` : `revoked ${formatTime(revokedAt)}`,
    `${uses} of ${maxUses} used${names.length === 0 ? '' : ` by ${names.join(', ')}`}`,
    `by ${createdBy ?? 'the operator'}`,
    note === '' ? '' : `"${sanitize(note)}"`
  ]
  print(io, cells.join('  ').trimEnd())
}
