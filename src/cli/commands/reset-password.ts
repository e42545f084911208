import type { Command } from 'commander'
import { addExamples } from '../help.js'
import { username } from '../parsers.js'
import type { GlobalOptions } from '../profile.js'
import { printToStderr, type Io } from '../terminal/io.js'
import { readSecret, withFirstPassword } from '../terminal/prompt.js'
import { withClient } from '../with-chat.js'

/** `reset-password`: a new password with the token that an admin of the server has made. */
export function resetPasswordCommand(program: Command, io: Io): void {
  addExamples(
    program
      .command('reset-password')
      .description('set a new password with the token that an admin of the server gave you')
      .argument('<name>', 'your username', username)
      .option(
        '--token-file <path>',
        'read the token from the first line of this file (SECURE_CHAT_RESET_TOKEN)'
      )
      .action(async (name: string, { tokenFile: file }: { tokenFile?: string }) => {
        const options = program.opts<GlobalOptions>()
        const source = { variable: 'SECURE_CHAT_RESET_TOKEN', file, fileOption: '--token-file' }
        await withClient(io, options, async (chat) => {
          await chat.server()
          const token = await readSecret(io, { ...source, message: 'The token' })
          await withFirstPassword(io, options, `Choose a new password for ${name}`, (newPassword) =>
            chat.resetPassword({ username: name, token, newPassword })
          )
        })
        printToStderr(io, `The new password is set. All sessions have ended: secure-chat login ${name}`)
      }),
    'reset-password alice'
  )
}
