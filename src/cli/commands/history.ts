import type { Command } from 'commander'
import type { ChatClient, HistoryRange, Incoming } from '../../client/index.js'
import { wholeNumber } from '../parsers.js'
import { addExamples } from '../help.js'
import { printAndWait, printJsonAndWait, printToStderr, type Io } from '../terminal/io.js'
import { eventText } from '../output/event-text.js'
import { forPeople, isForDevices } from '../output/for-people.js'
import { conversationName } from '../output/titles.js'
import type { GlobalOptions } from '../profile.js'
import { findConversation } from '../recipient.js'
import { eventJson, messageLine } from '../output/messages.js'
import { withChat } from '../with-chat.js'

const DEFAULT_LIMIT = 50

interface Options extends HistoryRange {
  json?: boolean
}

/** `history`: shows earlier messages, oldest first. */
export function historyCommand(program: Command, io: Io): void {
  addExamples(
    program
      .command('history')
      .description('show the messages of a conversation, oldest first')
      .argument('<with>', 'username (or @username), or a group’s id or name')
      .option(
        '--limit <number>',
        `show this many messages, the newest ones (default: ${DEFAULT_LIMIT})`,
        wholeNumber(1)
      )
      .option(
        '--before <position>',
        'show the newest before this position; with --after, all between the two',
        wholeNumber(1)
      )
      .option(
        '--after <position>',
        'show all after this position; with --limit, the first ones; 0 is the beginning',
        wholeNumber(0)
      )
      .option('--json', 'print one line of JSON for each')
      .action((name: string, options: Options) =>
        withChat(io, program.opts<GlobalOptions>(), (chat) => history(io, chat, name, options))
      ),
    'history bob',
    'history ops --limit 500 --json',
    'history ops --after 0 > ops.txt'
  )
}

async function history(io: Io, chat: ChatClient, name: string, { json, ...range }: Options): Promise<void> {
  const conversation = await findConversation(chat, name)
  const { id } = conversation
  const names = { of: () => conversationName(conversation), me: chat.account!.username }
  let unread = 0
  const showText = async (items: readonly Incoming[]): Promise<void> => {
    for (const item of forPeople(items))
      if (item.type === 'message') await printAndWait(io, messageLine(item))
      else if (item.type === 'unreadable' && item.reason === 'no-key') unread++
      else printToStderr(io, `Warning: ${eventText(item, names)!.text}`)
  }
  const showJson = async (items: readonly Incoming[]): Promise<void> => {
    for (const item of items)
      if (item.type !== 'message' || !isForDevices(item.content)) await printJsonAndWait(io, eventJson(item))
  }
  const show = json === true ? showJson : showText
  if (range.after === undefined) {
    const newestFirst: Incoming[] = []
    for await (const item of chat.history(id, { limit: DEFAULT_LIMIT, ...range })) newestFirst.push(item)
    await show(newestFirst.reverse())
  } else for await (const item of chat.history(id, range)) await show([item])
  if (unread > 0) printToStderr(io, `This device has no key for ${unread} of these messages, or not yet.`)
}
