import type { Command } from 'commander'
import type { ChatClient, Conversation } from '../../client/index.js'
import { handleLine } from '../chat/commands.js'
import { ChatSession } from '../chat/session.js'
import { UsageError } from '../errors.js'
import { addExamples } from '../help.js'
import { showNotice } from '../notice.js'
import { conversationName, isWithOthers } from '../output/titles.js'
import type { Io } from '../terminal/io.js'
import { createStyle } from '../terminal/style.js'
import { serverUrl, type GlobalOptions } from '../profile.js'
import { openConversation } from '../recipient.js'
import { Screen } from '../terminal/screen.js'
import { choose, isInteractive } from '../terminal/prompt.js'
import { withChat } from '../with-chat.js'

/** `chat`: sends and shows messages in one terminal. */
export function chatCommand(program: Command, io: Io): void {
  addExamples(
    program
      .command('chat')
      .description('send and receive messages in one terminal; /help lists its commands')
      .argument('[with]', "a username, or a group's id or name; without it, choose from a list")
      .action(async (to: string | undefined) => {
        const options = program.opts<GlobalOptions>()
        const url = await serverUrl(io, options)
        await withChat(io, options, async (chat) => {
          await showNotice(io, options, chat)
          await runChat(io, chat, url, to)
        })
      }),
    'chat bob',
    'chat Lunch --profile work',
    'chat'
  )
}

async function runChat(io: Io, chat: ChatClient, url: string, to: string | undefined): Promise<void> {
  const conversations = await chat.conversations.list({ readTitles: true })
  const first =
    to === undefined
      ? await chooseConversation(io, conversations.filter(isWithOthers))
      : await openConversation(chat, to, conversations)
  const screen = new Screen(io)
  const session = new ChatSession(chat, screen, { style: createStyle(io), url })
  const leave = new AbortController()
  session.setTitles(conversations)
  try {
    await session.open(first)
    const listening = showEvents(session, AbortSignal.any([io.signal, leave.signal])).finally(() =>
      screen.close()
    )
    // Awaited below. Until then an error must not count as unhandled.
    listening.catch(() => undefined)
    for await (const line of screen.lines()) if (!(await handleLine(session, line))) break
    leave.abort()
    await listening
  } catch (error) {
    // A signal has ended what was under way.
    if (!io.signal.aborted) throw error
  } finally {
    leave.abort()
    screen.close()
  }
}

async function showEvents(session: ChatSession, signal: AbortSignal): Promise<void> {
  for await (const event of session.chat.events({ signal })) await session.handle(event)
}

async function chooseConversation(io: Io, conversations: readonly Conversation[]): Promise<Conversation> {
  if (conversations.length === 0)
    throw new UsageError('You are in no conversation yet.', 'Start one: secure-chat chat NAME')
  if (!isInteractive(io))
    throw new UsageError(
      'There is no terminal to choose on.',
      'Name a user or a group: secure-chat chat NAME'
    )
  const choices = conversations.map((one) => ({ label: conversationName(one), hint: one.kind }))
  return conversations[await choose(io, 'Which conversation?', choices)]!
}
