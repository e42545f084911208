import type { Command } from 'commander'
import type { Conversation } from '../../client/index.js'
import { addExamples } from '../help.js'
import { printToStderr, print, printJson, type Io } from '../terminal/io.js'
import { formatTable } from '../terminal/format.js'
import type { GlobalOptions } from '../profile.js'
import { conversationJson } from '../output/messages.js'
import { sanitize } from '../terminal/sanitize.js'
import { withChat } from '../with-chat.js'

/** `conversations`: lists the user's conversations. */
export function conversationsCommand(program: Command, io: Io): void {
  addExamples(
    program
      .command('conversations')
      .description('list your conversations')
      .option('--json', 'print one line of JSON for each')
      .action(({ json }: { json?: boolean }) =>
        withChat(io, program.opts<GlobalOptions>(), async (chat) =>
          show(io, await chat.conversations.list({ readTitles: true }), json)
        )
      ),
    'conversations',
    `conversations --json | jq -r 'select(.kind == "group") | .id'`
  )
}

function show(io: Io, conversations: readonly Conversation[], json: boolean | undefined): void {
  if (json === true) return conversations.forEach((one) => printJson(io, conversationJson(one)))
  const rows = conversations.map(({ id, kind, title, members }) => [
    id,
    kind,
    sanitize(title ?? '(no name)'),
    members.map(({ username }) => sanitize(username)).join(', ')
  ])
  formatTable(rows).forEach((line) => print(io, line))
  for (const { id, trouble } of conversations)
    if (trouble !== undefined)
      printToStderr(io, `Warning: ${id} cannot be used: ${sanitize(trouble.message)}`)
}
