import type { Command } from 'commander'
import type { ChatClient, Conversation } from '../../client/index.js'
import { adviceOn } from '../advice.js'
import { showConversation } from '../conversation-info.js'
import { addExamples } from '../help.js'
import { hash, uuid } from '../parsers.js'
import { printToStderr, print, printJson, type Io } from '../terminal/io.js'
import { formatTable } from '../terminal/format.js'
import type { GlobalOptions } from '../profile.js'
import { findConversation } from '../recipient.js'
import { requestText } from '../output/event-text.js'
import { conversationJson } from '../output/messages.js'
import { conversationName, isWithOthers } from '../output/titles.js'
import { sanitize, sanitizeLines } from '../terminal/sanitize.js'
import { withChat } from '../with-chat.js'

/** `conversations …`: lists the user's conversations, and takes the server's chain of one. */
export function conversationsCommands(program: Command, io: Io): void {
  const inChat = (work: (chat: ChatClient) => Promise<void>) =>
    withChat(io, program.opts<GlobalOptions>(), work)
  const conversations = program
    .command('conversations')
    .description('list your conversations, and show what is known of one')
  addExamples(
    conversations,
    'conversations',
    `conversations --json | jq -r 'select(.kind == "group") | .id'`,
    'conversations info bob'
  )

  conversations
    .command('list', { isDefault: true })
    .description('list your conversations')
    .option('--all', 'also list the one in which your devices tell each other whom you trust')
    .option('--json', 'print one line of JSON for each')
    .action(({ all, json }: { all?: boolean; json?: boolean }) =>
      inChat(async (chat) => {
        const found = await chat.conversations.list({ readTitles: true })
        show(io, all === true ? found : found.filter(isWithOthers), json)
      })
    )
  conversations
    .command('info')
    .description('show the members of a conversation, and where its chain ends')
    .argument('<with>', 'username (or @username), or a group’s id or name')
    .option('--json', 'print one line of JSON')
    .action((name: string, { json }: { json?: boolean }) =>
      inChat(async (chat) => showConversation(io, chat, await findConversation(chat, name), json))
    )
  conversations
    .command('accept')
    .description('take the chain of a conversation as the server shows it, with all identities in it')
    .argument('<id>', 'id of the conversation', uuid)
    .argument('<head>', 'the newest statement of the server’s chain, as a warning has named it', hash)
    .action((id: string, head: string) => inChat((chat) => accept(io, chat, id, head)))
}

function show(io: Io, conversations: readonly Conversation[], json: boolean | undefined): void {
  if (json === true) return conversations.forEach((one) => printJson(io, conversationJson(one)))
  const rows = conversations.map((one) => [
    one.id,
    one.kind,
    one.kind === 'group' && one.title === null ? '(no name)' : conversationName(one),
    one.members.map(({ username }) => sanitize(username)).join(', '),
    one.request === null
      ? ''
      : `${one.request.declined ? 'declined ' : ''}request of ${sanitize(one.request.by)}`
  ])
  formatTable(rows).forEach((line) => print(io, line))
  for (const { id, request } of conversations)
    if (request?.declined === false) printToStderr(io, requestText(request.by, id))
  for (const { id, trouble } of conversations)
    if (trouble !== undefined)
      printToStderr(
        io,
        `Warning: ${id} cannot be used: ${sanitizeLines(trouble.message)} ` +
          sanitizeLines(adviceOn(trouble, { conversationId: id }))
      )
}

async function accept(io: Io, chat: ChatClient, id: string, head: string): Promise<void> {
  const conversation = await chat.conversations.accept(id, head)
  const members = conversation.members.map(({ username }) => sanitize(username)).join(', ')
  printToStderr(
    io,
    `The server's chain of ${conversationName(conversation)} is accepted. Its members: ${members}`
  )
}
