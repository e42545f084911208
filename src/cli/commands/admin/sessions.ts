import type { Command } from 'commander'
import { username, uuid } from '../../parsers.js'
import { formatTable, formatTime } from '../../terminal/format.js'
import { print, printJson } from '../../terminal/io.js'
import { sanitize } from '../../terminal/sanitize.js'
import { done, JSON_OPTION, type AsAdmin } from './connect.js'

/** `admin users sessions`, `admin users end-sessions` */
export function sessionCommands(users: Command, asAdmin: AsAdmin): void {
  users
    .command('sessions')
    .description('list where a user is logged in; the audit remembers that you looked')
    .argument('<name>', 'username', username)
    .option(...JSON_OPTION)
    .action((name: string, { json }: { json?: boolean }) =>
      asAdmin(async ({ io, client }) => {
        const sessions = await client.sessions(name)
        if (json === true) return sessions.forEach((session) => printJson(io, session))
        const rows = sessions.map(({ id, method, createdAt, lastUsedAt, address, userAgent }) => [
          id,
          method === 'device' ? 'by key' : 'by password',
          `since ${formatTime(createdAt)}`,
          `used ${formatTime(lastUsedAt)}`,
          sanitize(address),
          `"${sanitize(userAgent)}"`
        ])
        formatTable(rows).forEach((line) => print(io, line))
      })
    )
  users
    .command('end-sessions')
    .description('end all sessions of a user, or one: the next log-in takes the password')
    .argument('<name>', 'username', username)
    .argument('[id]', 'id of the session', uuid)
    .action((name: string, id?: string) =>
      asAdmin(async (connected) => {
        await connected.client.endSessions(name, id)
        done(connected, id === undefined ? `All sessions of ${name} have ended.` : 'The session has ended.')
      })
    )
}
