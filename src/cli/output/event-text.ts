import type { ChatEvent, MembersChanged, UnreadableMessage } from '../../client/index.js'
import { sanitize } from '../terminal/sanitize.js'

/** What a person should hear about an event. A `warning` means that somebody may be playing tricks. */
export interface EventText {
  level: 'info' | 'warning'
  text: string
}

/**
 * An event in a sentence; null for messages, which speak for themselves, and for a connection that stands.
 *
 * @param titleOf what a conversation is called, not yet made safe
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
        `${where}: ${which} of ${sanitize(from.username)}'s device never came: held back or lost.`
      )
    }
    case 'reordered':
      return warning(
        `${where}: the next message of ${sanitize(event.from.username)} comes later than it was sent.`
      )
    case 'conversation': {
      const { kind, title, members } = event.conversation
      if (kind === 'direct') return info(`${sanitize(title ?? '?')} can talk with you now.`)
      return info(`You are in a group with ${members.map(({ username }) => sanitize(username)).join(', ')}.`)
    }
    case 'members':
      return info(`${where}: ${membersChange(event)}`)
    case 'not-sent':
      return warning(
        `${where}: a message of yours was refused, and is not sent: ${sanitize(event.error.message)}`
      )
    case 'device-requested':
      return warning(
        `A new device, "${sanitize(event.name)}", asks to be yours. If you know it: secure-chat devices requests`
      )
    case 'device-changed':
      return info(`A device of ${sanitize(event.username)} was ${event.change}. The identity is the same.`)
    case 'identity-changed': {
      const name = sanitize(event.username)
      const before = event.wasVerified ? 'a new identity, not the one that you verified' : 'a new identity'
      return warning(
        `${name} has ${before}. Compare safety numbers (secure-chat verify ${name}), then: secure-chat accept ${name}`
      )
    }
    case 'untrusted':
      return warning(
        `${where && `${where}: `}the server showed what cannot be true: ${sanitize(event.error.message)}`
      )
    case 'presence':
      return info(`${sanitize(event.username)} is ${event.online ? 'online' : 'offline'}.`)
    case 'disconnected':
      return info('The connection to the server is lost. Trying again …')
    case 'reset':
      return info('The server has lost its place: some messages may come again.')
  }
}

function unreadable({ reason, from, error }: UnreadableMessage, where: string): EventText {
  const name = sanitize(from.username)
  return reason === 'no-key'
    ? info(`${where}: a message of ${name} can't be read yet. It comes as soon as its key does.`)
    : warning(`${where}: a message that is said to be of ${name} was refused: ${sanitize(error.message)}`)
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
      return `${sanitize(by)} took in ${name}'s new identity.`
  }
}

function info(text: string): EventText {
  return { level: 'info', text }
}

function warning(text: string): EventText {
  return { level: 'warning', text }
}
