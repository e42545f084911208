import type { Command } from 'commander'
import { ChatError, type ChatClient, type TextContent } from '../../client/index.js'
import { isUnreachable, UsageError } from '../errors.js'
import { uuid } from '../parsers.js'
import { addExamples } from '../help.js'
import { printToStderr, printJson, type Io } from '../terminal/io.js'
import type { GlobalOptions } from '../profile.js'
import { addressOf, resolveRecipient, type Recipient } from '../recipient.js'
import { sanitize } from '../terminal/sanitize.js'
import { withChat } from '../with-chat.js'
import { TOO_LONG, textFromStdin } from '../terminal/stdin.js'

interface Options {
  reply?: string
  id?: string
  json?: boolean
}

/** `send`: sends one message from the command line or from stdin. */
export function sendCommand(program: Command, io: Io): void {
  addExamples(
    program
      .command('send')
      .description('send a message to a user or a group')
      .argument('<to>', 'username (or @username), or a group’s id or name')
      .argument('[text]', 'the message; read from stdin if it is missing')
      .option('--reply <id>', 'id of the message that this one answers', uuid)
      .option('--id <uuid>', 'id of this message; sending the same id again does nothing', uuid)
      .option('--json', 'print its id, conversationId, position and sentAt')
      .action(async (to: string, text: string | undefined, options: Options) => {
        const body = text ?? (await textFromStdin(io))
        if (body.trim() === '') throw new UsageError('The message is empty.')
        const content: TextContent = {
          type: 'text',
          text: body,
          ...(options.reply !== undefined && { ref: options.reply })
        }
        // Chosen before the first try, so that a second try sends the same message.
        const id = options.id ?? crypto.randomUUID()
        await withChat(io, program.opts<GlobalOptions>(), (chat) =>
          send(io, chat, { to, content, id, json: options.json === true })
        )
      }),
    'send bob "See you at nine."',
    'make test 2>&1 | secure-chat send ops',
    'send @bob -- "--text that begins with dashes"'
  )
}

async function send(
  io: Io,
  chat: ChatClient,
  { to, content, id, json }: { to: string; content: TextContent; id: string; json: boolean }
): Promise<void> {
  try {
    const recipient = await resolveRecipient(chat, to)
    const sent = await chat.send(addressOf(recipient), content, { id })
    for (const username of staleMembers(recipient))
      printToStderr(
        io,
        `${sanitize(username)} has a new identity and cannot read this until an admin renews the membership. ` +
          `See "secure-chat group info ${sanitize(to)}".`
      )
    if (json) printJson(io, sent)
    else if (io.stderr.isTTY === true) printToStderr(io, 'Sent.')
  } catch (error) {
    if (isUnreachable(error))
      printToStderr(
        io,
        `The message may not have arrived. To try again without sending it twice, add: --id ${id}`
      )
    if (error instanceof ChatError && error.code === 'message-too-large')
      throw new UsageError(error.message, TOO_LONG)
    throw error
  }
}

/** Members of a group who have reset. A direct conversation is renewed with the message. */
function staleMembers(recipient: Recipient): string[] {
  if (!('id' in recipient) || recipient.kind === 'direct') return []
  return recipient.members.filter(({ stale }) => stale).map(({ username }) => username)
}
