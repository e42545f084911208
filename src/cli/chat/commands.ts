import type { ChatSession } from './session.js'
import { resolveRecipient } from '../recipient.js'
import { safe } from '../terminal/sanitize.js'

interface ChatCommand {
  /** What follows the name. */
  argument?: string
  says: string
  run: (session: ChatSession, argument: string) => Promise<void> | void
}

/** What can be asked for while chatting; `/quit` is the end of it. */
const commands: Record<string, ChatCommand> = {
  help: { says: 'this list', run: help },
  list: { says: 'your conversations, and what is unread in them', run: list },
  go: { argument: 'NAME', says: 'open another conversation', run: go },
  who: { says: 'who is in this one, and who is online', run: who },
  history: {
    argument: '[N]',
    says: 'the newest N messages (50)',
    run: async (session, argument) => {
      const count = Number(argument || 50)
      if (Number.isInteger(count) && count > 0) await session.showPast(count)
      else session.warn('Say how many messages, such as: /history 100')
    }
  },
  quit: { says: 'leave; so do Ctrl-C and Ctrl-D', run: () => undefined }
}

/** Do what a typed line says: a command, or a message. @returns false if it is the end */
export async function enter(session: ChatSession, line: string): Promise<boolean> {
  if (line.trim() === '') return true
  const [, name, argument = ''] = /^\/([a-z]+)(?:\s+(.*?))?\s*$/.exec(line) ?? []
  if (name === 'quit') return false
  if (name !== undefined && Object.hasOwn(commands, name))
    await Promise.resolve(commands[name]!.run(session, argument)).catch((error: unknown) =>
      session.complain(error)
    )
  else if (/^\/(?!\/)/.test(line))
    session.warn(`There is no such command. Try /help, or // for a message in /.`)
  else await session.say(line.replace(/^\/\//, '/'))
  return true
}

function help(session: ChatSession): void {
  for (const [name, { argument = '', says }] of Object.entries(commands))
    session.remark(`${`/${name} ${argument}`.padEnd(14)} ${says}`)
  session.remark(`${'//…'.padEnd(14)} a message that begins with /`)
}

async function list(session: ChatSession): Promise<void> {
  const conversations = await session.chat.conversations.list()
  session.name(conversations)
  for (const { id, title } of conversations) {
    const unread = session.unreadIn(id)
    const state = id === session.conversation.id ? ' (open)' : unread > 0 ? ` (${unread} unread)` : ''
    session.remark(`${safe(title ?? id)}${state}`)
  }
}

async function go(session: ChatSession, name: string): Promise<void> {
  if (name === '') session.warn('Say where, such as: /go bob')
  else await session.open(await resolveRecipient(session.chat, name))
}

async function who(session: ChatSession): Promise<void> {
  const status = new Map((await session.chat.contacts.list()).map((one) => [one.username, one.status]))
  const me = session.chat.account?.username
  for (const { username, role } of session.conversation.members) {
    const states = [
      session.conversation.kind === 'group' && role,
      username === me ? 'you' : session.presence.has(username) ? 'online' : 'offline',
      username !== me && (status.get(username) ?? 'unverified')
    ]
    session.remark(`${safe(username)}: ${states.filter((state) => state !== false).join(', ')}`)
  }
}
