import type { Command } from 'commander'
import type { AdminUser, AdminUserPage } from '../../../client/node.js'
import { UsageError } from '../../errors.js'
import { username } from '../../parsers.js'
import { formatTable, formatTime } from '../../terminal/format.js'
import { print, printJson, type Io } from '../../terminal/io.js'
import { confirm } from '../../terminal/prompt.js'
import { done, JSON_OPTION, type Admin, type AsAdmin } from './connect.js'
import { showInvite } from './invites.js'
import { allOf } from './pages.js'

type Listed = AdminUserPage['items'][number]
interface Options {
  json?: boolean
}

/** `admin users …` */
export function userCommands(admin: Command, asAdmin: AsAdmin): Command {
  const users = admin.command('users').description('the accounts of the server')
  const one = (name: string, description: string) =>
    users.command(name).description(description).argument('<name>', 'username', username)

  users
    .command('list', { isDefault: true })
    .description('list the accounts in the order of their names')
    .option('--prefix <text>', 'only names that begin so')
    .option(...JSON_OPTION)
    .action(({ prefix, json }: Options & { prefix?: string }) =>
      asAdmin(async ({ io, client }) => {
        const found = allOf((range) => client.users({ ...range, ...(prefix !== undefined && { prefix }) }))
        for await (const user of found) printUser(io, user, json)
      })
    )
  one('show', 'show what the server knows of an account; the audit remembers that you looked')
    .option(...JSON_OPTION)
    .action((name: string, { json }: Options) =>
      asAdmin(async ({ io, client }) => showUser(io, await client.user(name), json))
    )
  one('create', 'make an invitation for a new user: only they can make their keys')
    .option('--admin', 'the new user becomes admin of the server')
    .option('--ignore-exists', 'do nothing if the user exists')
    .option(...JSON_OPTION)
    .action((name: string, options: Options & { admin?: true; ignoreExists?: true }) =>
      asAdmin((connected) => createUser(connected, name, options))
    )
  one('promote', 'make a user admin of the server').action((name: string) =>
    asAdmin(async (connected) => {
      await connected.client.setRole(name, 'admin')
      done(connected, `${name} is an admin of the server.`)
    })
  )
  one('demote', 'make an admin of the server a member again').action((name: string) =>
    asAdmin(async (connected) => {
      await connected.client.setRole(name, 'member')
      done(connected, `${name} is no admin of the server.`)
    })
  )
  one('suspend', 'end all sessions of a user, and let none begin; nothing is deleted').action(
    (name: string) =>
      asAdmin(async (connected) => {
        await connected.client.suspend(name)
        done(connected, `${name} is suspended.`)
      })
  )
  one('resume', 'end the suspension of a user').action((name: string) =>
    asAdmin(async (connected) => {
      await connected.client.resume(name)
      done(connected, `${name} is not suspended.`)
    })
  )
  one('delete', 'erase an account for good; the name is never given again')
    .option('--yes', 'do not ask')
    .option('--ignore-missing', 'do nothing if there is no such account')
    .action((name: string, { yes, ignoreMissing }: { yes?: true; ignoreMissing?: true }) =>
      asAdmin(async (connected) => {
        if (ignoreMissing === true && !(await exists(connected, name))) return
        await confirm(connected.io, `Erase the account ${name} for good?`, yes)
        await connected.client.erase(name)
        done(connected, `The account ${name} is erased.`)
      })
    )
  one('reset-password', 'make a token with which a user sets a new password, once and within an hour')
    .option(...JSON_OPTION)
    .action((name: string, { json }: Options) => asAdmin((connected) => resetPassword(connected, name, json)))
  return users
}

/** Characters of the longest username. */
const LONGEST_NAME = 32

/** Line by line, since a server may have many users. */
function printUser(io: Io, user: Listed, json: boolean | undefined): void {
  if (json === true) return printJson(io, user)
  const notes = [
    user.role === 'admin' && 'admin',
    user.kind === 'bot' && 'bot',
    user.suspendedAt !== null && 'suspended',
    user.erasedAt !== null && 'erased'
  ].filter((note) => note !== false)
  const cells = [user.username.padEnd(LONGEST_NAME), `since ${formatTime(user.createdAt)}`, notes.join(', ')]
  print(io, cells.join('  ').trimEnd())
}

function showUser(io: Io, user: AdminUser, json: boolean | undefined): void {
  if (json === true) return printJson(io, user)
  const { devices, invitedBy } = user
  const time = (at: string | null) => (at === null ? 'no' : `since ${formatTime(at)}`)
  const rows = [
    ['name', user.username],
    ['id', user.id],
    ['role', `${user.role}${user.kind === 'bot' ? ', a program' : ''}`],
    ['account', time(user.createdAt)],
    ['suspended', time(user.suspendedAt)],
    ['erased', time(user.erasedAt)],
    ['last seen', user.lastSeenAt === null ? 'never' : formatTime(user.lastSeenAt)],
    ['devices', `${devices.active} active, ${devices.pending} pending, ${devices.revoked} revoked`],
    ['sessions', String(user.sessions)],
    ['conversations', String(user.conversations)],
    ['requests sent', `${user.requestsSent} wait`],
    ['blocked by', String(user.blockedBy)],
    ['invited by', invitedBy === null ? 'nobody' : (invitedBy.username ?? 'the operator')]
  ]
  formatTable(rows).forEach((line) => print(io, line))
}

async function exists({ client }: Admin, name: string): Promise<boolean> {
  const { items } = await client.users({ prefix: name, limit: 1 })
  return items.some((user) => user.username === name)
}

async function createUser(
  connected: Admin,
  name: string,
  { admin, ignoreExists, json }: Options & { admin?: true; ignoreExists?: true }
): Promise<void> {
  if (await exists(connected, name)) {
    if (ignoreExists === true) return done(connected, `${name} exists.`)
    throw new UsageError(`The user ${name} exists.`, 'With --ignore-exists this does nothing.')
  }
  const role = admin === true ? 'admin' : 'member'
  await showInvite(connected, await connected.client.invite({ note: name, role }), json)
  done(connected, `The link admits one new user. They run: secure-chat join LINK ${name}`)
}

async function resetPassword(connected: Admin, name: string, json: boolean | undefined): Promise<void> {
  const { io, client, origin } = connected
  const link = await client.resetPassword(name)
  const url = await origin()
  if (json === true) return printJson(io, { username: name, url, ...link })
  print(io, link.token)
  done(connected, `With this token ${name} sets a new password, once, until ${formatTime(link.expiresAt)}:`)
  done(connected, `  secure-chat reset-password ${name} --url ${url}`)
  done(
    connected,
    'The new password opens no earlier message: that takes a device of theirs, or their backup.'
  )
}
