import type { ChatClient, Conversation } from '../client/index.js'
import { conversationJson } from './output/messages.js'
import { conversationName } from './output/titles.js'
import { formatDuration, formatTable } from './terminal/format.js'
import { print, printJson, type Io } from './terminal/io.js'
import { sanitize } from './terminal/sanitize.js'

/** Show the members of a conversation and what is known of it. */
export async function showConversation(
  io: Io,
  chat: ChatClient,
  conversation: Conversation,
  json: boolean | undefined
): Promise<void> {
  const { id, kind, title, members, head, messageTtl } = conversation
  const classical = await chat.conversations.classicalDevices(id)
  if (json === true) return printJson(io, { ...conversationJson(conversation), classicalDevices: classical })
  print(io, `${kind === 'group' && title === null ? '(no name)' : conversationName(conversation)}  ${id}`)
  const rows = members.map(({ username, role, stale }) => [
    `  ${sanitize(username)}`,
    role,
    stale ? staleNote(conversation) : ''
  ])
  formatTable(rows).forEach((line) => print(io, line))
  if (messageTtl > 0)
    print(io, `Messages are to be deleted after ${formatDuration(messageTtl)}. ${TIMER_IS_LATER}`)
  if (classical.length > 0) print(io, `Not safe from quantum computers, because of ${devices(classical)}.`)
  print(io, `The chain ends with ${head}`)
}

/** Servers do nothing about a timer yet. */
export const TIMER_IS_LATER = 'Servers of this version delete nothing: this takes effect with a later one.'

function staleNote({ kind }: Conversation): string {
  return kind === 'group'
    ? 'has a new identity: accept it, then renew the membership'
    : 'has a new identity: accept it, then send a message'
}

function devices(classical: readonly { username: string; deviceId: string }[]): string {
  return classical.map(({ username, deviceId }) => `${sanitize(username)}'s device ${deviceId}`).join(', ')
}
