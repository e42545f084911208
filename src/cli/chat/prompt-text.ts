import type { Conversation } from '../../client/index.js'

/**
 * `bob (online, 2 unread)> `
 *
 * @param counts other members who are online, and unread messages elsewhere
 */
export function promptText(
  name: string,
  kind: Conversation['kind'],
  { online, unread }: { online: number; unread: number }
): string {
  const states = [
    kind === 'direct' ? online === 1 && 'online' : online > 0 && `${online} online`,
    unread > 0 && `${unread} unread`
  ].filter((state) => state !== false)
  return `${name}${states.length === 0 ? '' : ` (${states.join(', ')})`}> `
}
