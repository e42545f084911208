import type { Command } from 'commander'
import type { ChatClient, SessionInfo } from '../../client/index.js'
import { addExamples } from '../help.js'
import { uuid } from '../parsers.js'
import { formatTable, formatTime } from '../terminal/format.js'
import { print, printJson, printToStderr, type Io } from '../terminal/io.js'
import { sanitize } from '../terminal/sanitize.js'
import type { GlobalOptions } from '../profile.js'
import { withChat } from '../with-chat.js'

/** `sessions …`: where the user is logged in. */
export function sessionsCommands(program: Command, io: Io): void {
  const inChat = (work: (chat: ChatClient) => Promise<void>) =>
    withChat(io, program.opts<GlobalOptions>(), work)
  const sessions = program.command('sessions').description('list where you are logged in, and end a session')
  addExamples(sessions, 'sessions', 'sessions end 0198c6f2-7b1e-7c55-9d2a-3f1f0c5a9e01')

  sessions
    .command('list', { isDefault: true })
    .description('list your sessions: how and when each was begun')
    .option('--json', 'print one line of JSON for each')
    .action(({ json }: { json?: boolean }) =>
      inChat(async (chat) => show(io, await chat.sessions.list(), json))
    )
  sessions
    .command('end')
    .description('end a session; a device needs the password to log in again')
    .argument('<id>', 'id of the session', uuid)
    .action((id: string) =>
      inChat(async (chat) => {
        await chat.sessions.end(id)
        printToStderr(io, 'The session has ended.')
      })
    )
}

function show(io: Io, sessions: readonly SessionInfo[], json: boolean | undefined): void {
  if (json === true) return sessions.forEach((session) => printJson(io, session))
  const rows = sessions.map(({ id, method, createdAt, lastUsedAt, address, userAgent, current }) => [
    id,
    method === 'device' ? 'by key' : 'by password',
    `since ${formatTime(createdAt)}`,
    `used ${formatTime(lastUsedAt)}`,
    sanitize(address),
    `"${sanitize(userAgent)}"${current ? ' (this one)' : ''}`
  ])
  formatTable(rows).forEach((line) => print(io, line))
}
