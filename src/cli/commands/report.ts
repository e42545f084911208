import type { Command } from 'commander'
import type { ChatClient } from '../../client/index.js'
import { UsageError } from '../errors.js'
import { addExamples } from '../help.js'
import { findMessage } from '../message-ref.js'
import { uuid } from '../parsers.js'
import type { GlobalOptions } from '../profile.js'
import { findConversation } from '../recipient.js'
import { printToStderr, type Io } from '../terminal/io.js'
import { confirm } from '../terminal/prompt.js'
import { sanitize } from '../terminal/sanitize.js'
import { withChat } from '../with-chat.js'

interface Options {
  reason?: string
  yes?: true
}

/** `report`: shows one message to the moderators of the server. */
export function reportCommand(program: Command, io: Io): void {
  addExamples(
    program
      .command('report')
      .description('show one message to the moderators of the server; they read it, and no other')
      .argument('<with>', 'username (or @username), or a group’s id or name')
      .argument('<message>', 'id of the message', uuid)
      .option('--reason <text>', 'say why, in up to 1,000 characters')
      .option('--yes', 'do not ask')
      .action((name: string, id: string, options: Options) =>
        withChat(io, program.opts<GlobalOptions>(), (chat) => report(io, chat, { name, id, ...options }))
      ),
    'report ops 0198c6f5-0000-4000-8000-000000000001 --reason spam'
  )
}

async function report(
  io: Io,
  chat: ChatClient,
  { name, id, reason = '', yes }: Options & { name: string; id: string }
): Promise<void> {
  const conversation = await findConversation(chat, name)
  const message = await findMessage(chat, conversation.id, id)
  const to = await chat.reports.moderators(message)
  if (to.length === 0)
    throw new UsageError('There is no moderator here for this report.', 'Ask who runs the server.')
  const names = to.map(sanitize).join(', ')
  await confirm(io, `Show this message to ${names}, whom the server names as moderators?`, yes)
  await chat.reports.make(message, { to, reason })
  printToStderr(io, `${names} can read the message now, and see who sent it.`)
}
