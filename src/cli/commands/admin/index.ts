import type { Command } from 'commander'
import { addExamples } from '../../help.js'
import type { Io } from '../../terminal/io.js'
import { auditCommands } from './audit.js'
import { asAdmin } from './connect.js'
import { inviteCommands } from './invites.js'
import { limitsCommand } from './limits.js'
import { messageCommands } from './messages.js'
import { serverCommands } from './server.js'
import { sessionCommands } from './sessions.js'
import { userCommands } from './users.js'

/** `admin …`: the administration of a server. */
export function adminCommands(program: Command, io: Io): void {
  const admin = program
    .command('admin')
    .description('administrate the server: at its socket on this machine, or as an admin of the server')
    .option('--socket <path>', 'the server’s socket (ADMIN_SOCKET; default: admin/admin.sock in DATA_DIR)')
  addExamples(admin, 'admin users list', 'admin users promote alice', 'admin audit verify')
  const connected = asAdmin(admin, program, io)
  const users = userCommands(admin, connected)
  sessionCommands(users, connected)
  limitsCommand(users, connected)
  messageCommands(admin, connected)
  inviteCommands(admin, connected)
  auditCommands(admin, connected)
  serverCommands(admin, connected)
}
