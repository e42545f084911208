import { ChatError, type ChatClient as Chat, type Conversation } from '../client/index.js'
import { USERNAME, UUID } from '../protocol/ids.js'
import { NotFoundError, UsageError } from './errors.js'
import { listWithTitles, withTitle } from './output/titles.js'

const ID = new RegExp(`^${UUID}$`, 'i')
const NAME = new RegExp(`^${USERNAME}$`)

/**
 * The conversation that TO means: its id; `@name` for a user; or a plain name, of a user or a group. A direct
 * conversation is begun where there is none.
 *
 * @throws {UsageError} if it means more than one: anybody can register under a group's name, or put the user into a
 *   group that is named like another user, so that to guess would be to send to whom they like
 */
export async function resolveRecipient(chat: Chat, to: string): Promise<Conversation> {
  const found = await lookUp(chat, to)
  if (found !== undefined) return found
  return chat.conversations.direct(username(to))
}

/** The same, but no conversation is begun. */
export async function findConversation(chat: Chat, name: string): Promise<Conversation> {
  const found = await lookUp(chat, name)
  if (found !== undefined) return found
  throw new NotFoundError(
    `There is no conversation with "${name}".`,
    'See "secure-chat conversations", or begin one with "secure-chat send".'
  )
}

/** A group, by its id or name. */
export async function findGroup(chat: Chat, name: string): Promise<Conversation> {
  const found = ID.test(name)
    ? await withTitle(chat, await chat.conversations.get(name.toLowerCase()))
    : oneOf(name, groupsNamed(await joined(chat), name))
  if (found?.kind === 'group') return found
  throw new NotFoundError(`There is no group "${name}".`, 'See "secure-chat conversations".')
}

async function lookUp(chat: Chat, name: string): Promise<Conversation | undefined> {
  if (ID.test(name)) return chat.conversations.get(name.toLowerCase())
  const conversations = await joined(chat)
  const direct = directWith(conversations, username(name))
  if (name.startsWith('@')) return direct
  const groups = groupsNamed(conversations, name)
  if (groups.length > 0 && (direct !== undefined || (await isUser(chat, username(name)))))
    throw new UsageError(
      `"${name}" is a user, and the name of a group.`,
      `Say @${username(name)} for the user, or the group's id: ${ids(groups)}.`
    )
  return direct ?? oneOf(name, groups)
}

async function isUser(chat: Chat, name: string): Promise<boolean> {
  if (!NAME.test(name)) return false
  try {
    await chat.users.get(name)
    return true
  } catch (error) {
    if (error instanceof ChatError && error.code === 'user-not-found') return false
    throw error
  }
}

async function joined(chat: Chat): Promise<Conversation[]> {
  return (await listWithTitles(chat)).filter((conversation) => conversation.joined)
}

/** Of two, after both sides have begun anew, the one in which somebody still is who they were. */
function directWith(conversations: readonly Conversation[], name: string): Conversation | undefined {
  const all = conversations.filter(({ kind, title }) => kind === 'direct' && title === name)
  return all.find(({ members }) => members.some(({ stale }) => !stale)) ?? all.at(-1)
}

function groupsNamed(conversations: readonly Conversation[], name: string): Conversation[] {
  return conversations.filter(({ kind, title }) => kind === 'group' && title === name)
}

function oneOf(name: string, groups: readonly Conversation[]): Conversation | undefined {
  if (groups.length > 1)
    throw new UsageError(`More than one group is named "${name}".`, `Say which by its id: ${ids(groups)}.`)
  return groups[0]
}

function ids(groups: readonly Conversation[]): string {
  return groups.map(({ id }) => id).join(', ')
}

function username(name: string): string {
  return name.replace(/^@/, '').toLowerCase()
}
