import type { Static, TSchema } from 'typebox'
import { ConversationPage } from '../../protocol/conversations.js'
import { untrusted } from '../errors.js'
import type { Api } from './api.js'

/** No honest list is longer. */
const MAX_PAGES = 10_000

/**
 * The pages of a list, until the server names no next one.
 *
 * @param name of the list in the response
 * @throws {ChatError} `untrusted`, `endless-list` if the list does not end; else as `Api.call` does
 */
export async function* pagesOf<S extends TSchema>(
  api: Api,
  path: string,
  response: S,
  name = 'items'
): AsyncGenerator<Static<S>, void, undefined> {
  let cursor: string | null = null
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const mark = path.includes('?') ? '&' : '?'
    const query: string = cursor === null ? '' : `${mark}cursor=${encodeURIComponent(cursor)}`
    const { body } = await api.call({ method: 'GET', path: path + query, response })
    yield body
    const { [name]: items, next } = body as { [name: string]: unknown[] } & { next: string | null }
    if (next === null) return
    if (items!.length === 0 || next === cursor) break
    cursor = next
  }
  throw untrusted('endless-list', 'The server shows a list that never ends.')
}

/** The ids of all conversations that the server says the user is in. */
export async function conversationIds(api: Api): Promise<string[]> {
  const ids: string[] = []
  for await (const { items } of pagesOf(api, '/v1/conversations?limit=200', ConversationPage))
    ids.push(...items.map(({ id }) => id))
  return ids
}
