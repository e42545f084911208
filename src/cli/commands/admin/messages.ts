import type { Command } from 'commander'
import { uuid } from '../../parsers.js'
import { confirm } from '../../terminal/prompt.js'
import { done, type AsAdmin } from './connect.js'

/** `admin messages …` */
export function messageCommands(admin: Command, asAdmin: AsAdmin): void {
  const messages = admin.command('messages').description('messages, which the server cannot read')
  messages
    .command('purge')
    .description('delete a message for good; its readers see that the server has deleted one')
    .argument('<id>', 'id of the message', uuid)
    .option('--yes', 'do not ask')
    .action((id: string, { yes }: { yes?: true }) =>
      asAdmin(async (connected) => {
        await confirm(connected.io, `Delete the message ${id} for good?`, yes)
        await connected.client.purgeMessage(id)
        done(connected, 'The message is deleted. Devices that have read it may keep a copy.')
      })
    )
}
