import type { ChatEvent, MembersChanged, UnreadableMessage } from '../../client/index.js'
import { sanitize } from '../terminal/sanitize.js'

/** An event for people. A `warning` means that somebody may be interfering. */
export interface EventText {
  level: 'info' | 'warning'
  text: string
}

/**
 * An event in a sentence; null for `message` and `connected`.
 *
 * @param titleOf returns the title of a conversation, not sanitized
 */
export function eventText(event: ChatEvent, titleOf: (conversationId: string) => string): EventText | null {
  const where =
    'conversationId' in event && event.conversationId ? sanitize(titleOf(event.conversationId)) : ''
  switch (event.type) {
    case 'message':
    case 'connected':
      return null
    case 'unreadable':
      return unreadable(event, where)
    case 'withheld': {
      const { first, last, from } = event
      const which = first === last ? `Message ${first}` : `Messages ${first} to ${last}`
      return warning(
        `${where}: ${which} from ${sanitize(from.username)}'s device did not arrive: held back or lost.`
      )
    }
    case 'reordered':
      return warning(`${where}: the next message from ${sanitize(event.from.username)} arrived out of order.`)
    case 'conversation': {
      const { kind, title, members } = event.conversation
      if (kind === 'direct') return info(`You are in a direct conversation with ${sanitize(title ?? '?')}.`)
      return info(`You are in a group with ${members.map(({ username }) => sanitize(username)).join(', ')}.`)
    }
    case 'members':
      return info(`${where}: ${membersChange(event)}`)
    case 'not-sent':
      return warning(
        `${where}: your message was refused and will not be sent: ${sanitize(event.error.message)}`
      )
    case 'device-requested':
      return warning(
        `A new device "${sanitize(event.name)}" asks to join your account. ` +
          'If it is yours: secure-chat devices requests'
      )
    case 'device-changed':
      return info(`A device of ${sanitize(event.username)} was ${event.change}. The identity is the same.`)
    case 'identity-changed': {
      const name = sanitize(event.username)
      const before = event.wasVerified ? 'a new identity, not the one that you verified' : 'a new identity'
      return warning(
        `${name} has ${before}. Compare safety numbers (secure-chat verify ${name}), ` +
          `then: secure-chat accept ${name}`
      )
    }
    case 'untrusted':
      return warning(
        `${where && `${where}: `}the server showed data that does not verify: ${sanitize(event.error.message)}`
      )
    case 'presence':
      return info(`${sanitize(event.username)} is ${event.online ? 'online' : 'offline'}.`)
    case 'disconnected':
      return info('The connection to the server is lost. Trying again …')
    case 'reset':
      return info('The server does not know the position of this stream. Some messages may come again.')
  }
}

function unreadable({ reason, from, error }: UnreadableMessage, where: string): EventText {
  const name = sanitize(from.username)
  return reason === 'no-key'
    ? info(`${where}: a message from ${name} cannot be read yet. It appears when its key arrives.`)
    : warning(`${where}: a message that claims to be from ${name} was refused: ${sanitize(error.message)}`)
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
