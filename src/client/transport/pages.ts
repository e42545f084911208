import type { Static, TSchema } from 'typebox'
import { ConversationPage } from '../../protocol/conversations.js'
import type { Api } from './api.js'
import { untrusted } from '../errors.js'

/** No honest list is longer. */
const MOST_PAGES = 10_000

/**
 * The pages of a list, for as long as the server names a next one.
 *
 * @param path with a query
 * @throws {ChatError} `untrusted`, `endless-list` if that never ends; else as `Tokens.call` does
 */
export async function* pagesOf<S extends TSchema>(
  tokens: Api,
  path: string,
  answer: S
): AsyncGenerator<Static<S>, void, undefined> {
  let cursor: string | null = null
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    const place: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const { body } = await tokens.call({ method: 'GET', path: path + place, response: answer })
    yield body
    const { items, next } = body as { items: unknown[]; next: string | null }
    if (next === null) return
    if (items.length === 0 || next === cursor) break
    cursor = next
  }
  throw untrusted('endless-list', 'The server shows a list that never ends.')
}

/** Every conversation that the user is in, by the server's word. */
export async function conversationIds(tokens: Api): Promise<string[]> {
  const ids: string[] = []
  for await (const { items } of pagesOf(tokens, '/v1/conversations?limit=200', ConversationPage))
    ids.push(...items.map(({ id }) => id))
  return ids
}
