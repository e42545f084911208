import { readEntered } from './entered.js'
import type { ChatSession } from './session.js'
import { conversationName, isWithOthers } from '../output/titles.js'
import { openConversation } from '../recipient.js'
import { sanitize } from '../terminal/sanitize.js'

interface ChatCommand {
  /** The argument after the name. */
  argument?: string
  description: string
  run: (session: ChatSession, argument: string) => Promise<void> | void
}

/** The commands of a chat. `handleLine` itself handles `/quit`. */
const commands: Record<string, ChatCommand> = {
  help: { description: 'show this list', run: help },
  list: { description: 'list your conversations and count unread messages', run: list },
  go: { argument: 'NAME', description: 'open another conversation', run: go },
  who: { description: 'show who is in this conversation and who is online', run: who },
  history: {
    argument: '[N]',
    description: 'show the newest N messages (50)',
    run: async (session, argument) => {
      const count = Number(argument || 50)
      if (Number.isInteger(count) && count > 0) await session.showHistory(count)
      else session.showWarning('Name a number of messages, such as: /history 100')
    }
  },
  quit: { description: 'leave, as Ctrl-C and Ctrl-D do', run: () => undefined }
}

/** Run the command that was typed, or send the line as a message. @returns false if the chat ends */
export async function handleLine(session: ChatSession, line: string): Promise<boolean> {
  const entered = readEntered(line)
  if (entered === null) return true
  if ('text' in entered) {
    await session.send(entered.text)
    return true
  }
  const { command, argument } = entered
  if (command === 'quit') return false
  if (Object.hasOwn(commands, command))
    await Promise.resolve(commands[command]!.run(session, argument)).catch((error: unknown) =>
      session.showError(error)
    )
  else
    session.showWarning(
      'There is no such command. Type /help for a list, or // to send a message that begins with /.'
    )
  return true
}

function help(session: ChatSession): void {
  for (const [name, { argument = '', description }] of Object.entries(commands))
    session.showInfo(`${`/${name} ${argument}`.padEnd(14)} ${description}`)
  session.showInfo(`${'//…'.padEnd(14)} send a message that begins with /`)
}

async function list(session: ChatSession): Promise<void> {
  const conversations = await session.chat.conversations.list()
  session.setTitles(conversations)
  for (const conversation of conversations.filter(isWithOthers)) {
    const unread = session.unreadIn(conversation.id)
    const isOpen = conversation.id === session.conversation.id
    const state = isOpen ? ' (open)' : unread > 0 ? ` (${unread} unread)` : ''
    session.showInfo(`${conversationName(conversation)}${state}`)
  }
}

async function go(session: ChatSession, name: string): Promise<void> {
  if (name === '') session.showWarning('Name a conversation, such as: /go bob')
  else await session.open(await openConversation(session.chat, name))
}

async function who(session: ChatSession): Promise<void> {
  const status = new Map((await session.chat.contacts.list()).map((one) => [one.username, one.status]))
  const me = session.chat.account?.username
  for (const { username, role } of session.conversation.members) {
    const states = [
      session.conversation.kind === 'group' && role,
      username === me ? 'you' : session.presence.isOnline(username) ? 'online' : 'offline',
      username !== me && (status.get(username) ?? 'unverified')
    ]
    session.showInfo(`${sanitize(username)}: ${states.filter((state) => state !== false).join(', ')}`)
  }
}
