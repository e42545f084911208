import type {
  ChatError,
  ChatEvent,
  Conversation,
  MembersChanged,
  UnreadableMessage,
  WithheldMessages
} from '../../client/index.js'
import { acceptIdentity, adviceOn } from '../advice.js'
import { formatDuration } from '../terminal/format.js'
import { sanitize, sanitizeLines } from '../terminal/sanitize.js'
import { deviceChanges } from './device-changes.js'

/** An event for people. A `warning` means that somebody may be interfering. */
export interface EventText {
  level: 'info' | 'warning'
  text: string
}

/** The names that an event's text needs. */
export interface EventNames {
  /** A conversation as `conversationName` writes it. */
  of: (conversationId: string) => string
  /** The user's own name. */
  me: string
}

/** An event in a sentence or two; null for `message` and `connected`. */
export function eventText(event: ChatEvent, names: EventNames): EventText | null {
  const where = 'conversationId' in event && event.conversationId ? names.of(event.conversationId) : ''
  switch (event.type) {
    case 'message':
    case 'connected':
      return null
    case 'unreadable':
      return unreadable(event, where)
    case 'message-deleted':
      return warning(`${where}: the server has deleted a message from ${sanitize(event.from.username)}.`)
    case 'withheld': {
      const which = missing(event)
      return warning(
        `${where}: ${which} from ${sanitize(event.from.username)}'s device did not arrive: held back or lost.`
      )
    }
    case 'reordered':
      return warning(`${where}: the next message from ${sanitize(event.from.username)} arrived out of order.`)
    case 'conversation':
      return info(entered(event.conversation))
    case 'request':
      return info(requestText(event.by, event.conversationId))
    case 'request-accepted':
      return info(`${where}: you have accepted this request. Its messages are in the history.`)
    case 'block-changed':
      return info(`You have ${event.blocked ? 'blocked' : 'unblocked'} ${sanitize(event.username)}.`)
    case 'members':
      return info(`${where}: ${membersChange(event)}`)
    case 'timer': {
      const by = sanitize(event.by)
      const { messageTtl } = event
      return info(
        messageTtl === 0
          ? `${where}: ${by} wants messages to be kept.`
          : `${where}: ${by} wants messages to be deleted after ${formatDuration(messageTtl)}.`
      )
    }
    case 'not-sent':
      return warning(`${where}: your message will not be sent: ${sanitizeLines(event.error.message)}`)
    case 'invitation-accepted': {
      const name = sanitize(event.username)
      return info(
        event.verified
          ? `${name} came by your link, and is verified.`
          : `${name} came by a link of yours for several people. Compare safety numbers: secure-chat verify ${name}`
      )
    }
    case 'device-requested':
      return warning(
        `A new device "${sanitize(event.name)}" asks to join your account. ` +
          `If it is yours: secure-chat devices approve ${event.deviceId}`
      )
    case 'device-changed':
      return info(deviceChanges([event], names.me))
    case 'identity-changed': {
      const name = sanitize(event.username)
      const { root } = event
      const before = event.wasVerified ? 'a new identity, not the one that you verified' : 'a new identity'
      return warning(`${name} has ${before}: ${root}. ${acceptIdentity(name, root)}`)
    }
    case 'user-deleted':
      return info(`${sanitize(event.username)} has deleted the account.`)
    case 'untrusted':
      return warning(untrusted(event, where, names.me))
    case 'presence':
      return info(`${sanitize(event.username)} is ${event.online ? 'online' : 'offline'}.`)
    case 'disconnected':
      return info(lostConnection(event.error))
    case 'reset':
      return info('The server does not know the position of this stream. Some messages may come again.')
  }
}

/** That a stranger has begun a conversation, and what to do. */
export function requestText(by: string, id: string): string {
  return `${sanitize(by)}, whom you do not know yet, wants to talk to you. To read it: secure-chat accept-request ${id}`
}

/** Why there are no events now. An answer says it; a lost connection does not. */
export function lostConnection(error: ChatError | undefined): string {
  if (error?.kind === 'refused') return `The server refuses: ${sanitizeLines(error.message)} Trying again …`
  if (error?.kind === 'store') return `${sanitizeLines(error.message)} Trying again …`
  if (error?.code === 'held-back-stream') return sanitizeLines(`${error.message} ${error.hint}`)
  if (error?.code !== 'not-the-server') return 'No connection to the server. Trying again …'
  return `${sanitizeLines(`${error.message} ${error.hint}`)} Trying again …`
}

function unreadable({ reason, from, error }: UnreadableMessage, where: string): EventText {
  const name = sanitize(from.username)
  if (reason === 'no-key')
    return info(`${where}: a message from ${name} cannot be read yet. It appears when its key arrives.`)
  const message = sanitizeLines(error.message)
  return warning(
    WRONG_KEY.has(error.code)
      ? `${where}: a message from ${name} cannot be read. ${message}`
      : `${where}: a message that claims to be from ${name} was refused: ${message}`
  )
}

/** The message is as it was sent, but this device was given no key for it. */
const WRONG_KEY: ReadonlySet<string> = new Set(['bad-wrap', 'wrong-commitment'])

/** The event's own words, and what to do. */
function untrusted(event: Extract<ChatEvent, { type: 'untrusted' }>, where: string, me: string): string {
  const { error, username, conversationId } = event
  const about = {
    ...(username !== undefined && { username: sanitize(username) }),
    ...(conversationId !== undefined && { conversationId })
  }
  const place = where === '' ? '' : `${where}: `
  return `${place}${sanitizeLines(error.message)} ${sanitizeLines(adviceOn(error, about, me))}`.trimEnd()
}

function entered({ kind, title, members }: Conversation): string {
  if (kind === 'direct') return `You are in a direct conversation with ${sanitize(title ?? '?')}.`
  if (kind === 'self') return 'Your devices have a conversation of their own.'
  return `You are in a group with ${members.map(({ username }) => sanitize(username)).join(', ')}.`
}

function membersChange({ change, username, by, role }: MembersChanged): string {
  const name = sanitize(username)
  switch (change) {
    case 'added':
      return `${sanitize(by)} added ${name}.`
    case 'removed':
      return `${sanitize(by)} removed ${name}.`
    case 'left':
      return `${name} left.`
    case 'role':
      return `${sanitize(by)} made ${name} ${role === 'admin' ? 'an admin' : 'a member'}.`
    case 'renewed':
      return `${sanitize(by)} renewed the membership of ${name}, who has a new identity.`
  }
}

function info(text: string): EventText {
  return { level: 'info', text }
}

function warning(text: string): EventText {
  return { level: 'warning', text }
}

function missing({ first, last, count }: WithheldMessages): string {
  if (count === 1) return `Message ${first}`
  return count === last - first + 1
    ? `Messages ${first} to ${last}`
    : `${count} of the messages ${first} to ${last}`
}
