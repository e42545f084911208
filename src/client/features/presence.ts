import { PresencePage } from '../../protocol/events.js'
import type { Api } from '../transport/api.js'
import { toUsername } from './username.js'

/** Users that one request may name. */
const MAX_USERS = 100

export async function readPresence(
  api: Api,
  usernames: readonly string[]
): Promise<{ username: string; online: boolean }[]> {
  const found: { username: string; online: boolean }[] = []
  for (let at = 0; at < usernames.length; at += MAX_USERS) {
    const query = usernames.slice(at, at + MAX_USERS).map((name) => `user=${toUsername(name)}`)
    const path = `/v1/presence?${query.join('&')}`
    const { items } = (await api.call({ method: 'GET', path, response: PresencePage })).body
    for (const { username, online } of items) found.push({ username, online })
  }
  return found
}
