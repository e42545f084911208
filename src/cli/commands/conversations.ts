import type { Command } from 'commander'
import type { Conversation } from '../../client/index.js'
import { examples } from '../help.js'
import { note, print, printJson, type Io } from '../terminal/io.js'
import { table } from '../terminal/format.js'
import type { GlobalOptions } from '../profile.js'
import { conversationJson } from '../output/messages.js'
import { safe } from '../terminal/sanitize.js'
import { withSession } from '../with-chat.js'
import { namedConversations } from '../output/titles.js'

/** `conversations`: what there is to read and to write to. */
export function conversationsCommand(program: Command, io: Io): void {
  examples(
    program
      .command('conversations')
      .description('the conversations that you are in')
      .option('--json', 'one line of JSON each')
      .action(({ json }: { json?: boolean }) =>
        withSession(io, program.opts<GlobalOptions>(), async (chat) =>
          show(io, await namedConversations(chat), json)
        )
      ),
    'conversations',
    `conversations --json | jq -r 'select(.kind == "group") | .id'`
  )
}

function show(io: Io, conversations: readonly Conversation[], json: boolean | undefined): void {
  if (json === true) return conversations.forEach((one) => printJson(io, conversationJson(one)))
  const rows = conversations.map(({ id, kind, title, members }) => [
    ...[id, kind, safe(title ?? '(no name)')],
    members.map(({ username }) => safe(username)).join(', ')
  ])
  table(rows).forEach((line) => print(io, line))
  for (const { id, trouble } of conversations)
    if (trouble !== undefined) note(io, `Warning: ${id} can't be used: ${safe(trouble.message)}`)
}
