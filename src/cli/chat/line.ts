import type { ShownMessage } from '../output/for-people.js'
import { contentText, marks } from '../output/messages.js'
import { formatTime } from '../terminal/format.js'
import { sanitize } from '../terminal/sanitize.js'
import { nameStyle, type Style } from '../terminal/style.js'

type Shown = Pick<ShownMessage, 'sentAt' | 'content' | 'late' | 'departed'> & { from: { username: string } }

/** A message in a chat: `21:07 bob: hello`, with the date if it is not today's. */
export function chatLine(message: Shown, style: Style): string {
  const { from, sentAt, content } = message
  const [day, time] = formatTime(sentAt).split(' ')
  const isToday = formatTime(new Date().toISOString()).startsWith(day!)
  const when = style('dim', isToday ? time! : `${day} ${time}`)
  const name = style(nameStyle(from.username), sanitize(from.username))
  return `${when} ${name}${marks(message)}: ${contentText(content)}`
}

/** A message that was entered just now. */
export function enteredLine(from: { username: string }, text: string, style: Style): string {
  const sentAt = new Date().toISOString()
  return chatLine({ from, sentAt, content: { type: 'text', text }, late: false, departed: false }, style)
}
