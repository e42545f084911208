import { ChatError, type ChatClient, type Conversation } from '../client/index.js'
import { USERNAME, UUID } from '../protocol/ids.js'
import { NotFoundError, UsageError } from './errors.js'
import { usernameIn } from './parsers.js'
import { withoutMarks } from './terminal/bidi.js'

const ID = new RegExp(`^${UUID}$`, 'i')
const NAME = new RegExp(`^${USERNAME}$`)

/** A conversation that exists, or the user with whom to have a direct one. */
export type Recipient = Conversation | { username: string }

/**
 * The recipient that TO names: a conversation's id, `@name` for a user, or a plain name of a user or a group.
 * An id takes one request and `@name` none. A plain name takes the list of conversations and the titles of
 * groups.
 *
 * @param conversations the list with titles, where the caller has just read it
 * @throws {UsageError} if TO could mean more than one: anybody can register under a group's name, or add the
 *   user to a group that is named like another user, so a guess could send the message to them. The same holds
 *   for a group whose name this device cannot read.
 */
export async function resolveRecipient(
  chat: ChatClient,
  to: string,
  conversations?: readonly Conversation[]
): Promise<Recipient> {
  if (ID.test(to)) return chat.conversations.get(to.toLowerCase())
  if (to.startsWith('@')) return { username: usernameIn(to) }
  const group = await groupUnlessUser(chat, to, conversations ?? (await listWithTitles(chat)))
  return group ?? { username: usernameIn(to) }
}

/** A recipient as the SDK's `send` and `seal` take it. */
export function addressOf(recipient: Recipient): { conversationId: string } | { username: string } {
  return 'id' in recipient ? { conversationId: recipient.id } : recipient
}

/** The conversation with a recipient. A direct one is created if there is none. */
export async function openConversation(
  chat: ChatClient,
  to: string,
  conversations?: readonly Conversation[]
): Promise<Conversation> {
  const recipient = await resolveRecipient(chat, to, conversations)
  return 'id' in recipient ? recipient : chat.conversations.direct(recipient.username)
}

/** The conversation that a name means. None is created. */
export async function findConversation(chat: ChatClient, name: string): Promise<Conversation> {
  if (ID.test(name)) return chat.conversations.get(name.toLowerCase())
  const isUsername = name.startsWith('@')
  const conversations = isUsername ? await chat.conversations.list() : await listWithTitles(chat)
  const group = isUsername ? undefined : await groupUnlessUser(chat, name, conversations)
  const found = group ?? directWith(conversations, usernameIn(name))
  if (found !== undefined) return found
  throw new NotFoundError(
    `There is no conversation with "${name}".`,
    'List yours with "secure-chat conversations", or start one with "secure-chat send".'
  )
}

/** A group, by its id or name. */
export async function findGroup(chat: ChatClient, name: string): Promise<Conversation> {
  const group = ID.test(name)
    ? await withTitle(chat, await chat.conversations.get(name.toLowerCase()))
    : groupNamed(await listWithTitles(chat), name)
  if (group?.kind === 'group') return group
  throw new NotFoundError(`There is no group "${name}".`, 'List yours with "secure-chat conversations".')
}

function listWithTitles(chat: ChatClient): Promise<Conversation[]> {
  return chat.conversations.list({ readTitles: true })
}

async function withTitle(chat: ChatClient, conversation: Conversation): Promise<Conversation> {
  const { id, kind, joined } = conversation
  if (kind !== 'group' || !joined) return conversation
  return { ...conversation, title: await chat.conversations.readTitle(id) }
}

/** The group of that name, if there is one. @throws {UsageError} if the name is a user's, too */
async function groupUnlessUser(
  chat: ChatClient,
  name: string,
  conversations: readonly Conversation[]
): Promise<Conversation | undefined> {
  const groups = groupsNamed(conversations, name)
  const username = usernameIn(name)
  if (groups.length === 0) {
    const nameless = conversations.filter(
      ({ kind, title, joined, request }) => kind === 'group' && title === null && joined && request === null
    )
    if (nameless.length === 0 || directWith(conversations, username) !== undefined) return undefined
    throw new UsageError(
      `"${name}" may be the name of a group of yours: this device does not know what one is called.`,
      `Use @${username} for the user, or the group's id: ${ids(nameless)}.`
    )
  }
  if (directWith(conversations, username) !== undefined || (await isUser(chat, username)))
    throw new UsageError(
      `"${name}" is the name of a user and of a group.`,
      `Use @${username} for the user, or the group's id: ${ids(groups)}.`
    )
  return groupNamed(conversations, name)
}

async function isUser(chat: ChatClient, name: string): Promise<boolean> {
  if (!NAME.test(name)) return false
  try {
    await chat.users.get(name)
    return true
  } catch (error) {
    if (error instanceof ChatError && error.code === 'user-not-found') return false
    throw error
  }
}

/** There can be two, after both users have reset. One in which an identity is still current comes first. */
function directWith(conversations: readonly Conversation[], username: string): Conversation | undefined {
  const all = conversations.filter(({ kind, title }) => kind === 'direct' && title === username)
  return all.find(({ members }) => members.some(({ stale }) => !stale)) ?? all.at(-1)
}

/** @throws {UsageError} if there are several */
function groupNamed(conversations: readonly Conversation[], name: string): Conversation | undefined {
  const groups = groupsNamed(conversations, name)
  if (groups.length > 1)
    throw new UsageError(`More than one group is named "${name}".`, `Use the id of one: ${ids(groups)}.`)
  return groups[0]
}

function groupsNamed(conversations: readonly Conversation[], name: string): Conversation[] {
  // A username means the same with blanks around it: so does the name of a group that could be taken for it.
  const plain = (text: string) => withoutMarks(text).trim()
  const isNamed = (title: string | null) => title !== null && plain(title) === plain(name)
  return conversations.filter(({ kind, title, joined }) => kind === 'group' && isNamed(title) && joined)
}

function ids(groups: readonly Conversation[]): string {
  return groups.map(({ id }) => id).join(', ')
}
