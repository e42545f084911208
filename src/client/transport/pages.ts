import type { Static, TSchema } from 'typebox'
import { ConversationPage } from '../../protocol/conversations.js'
import { untrusted, type ChatError } from '../errors.js'
import type { Api } from './api.js'

/** A chain has no more links, and nobody is in as many conversations. */
const MAX_ITEMS = 100_000
/** The longest chain of links that are ten times as long as most; the longest chains of 200 users. */
const MAX_BYTES = 256 * 2 ** 20

/** A page of an honest server ends before 1 MiB. */
export const MESSAGE_PAGE_BYTES = 1.5 * 2 ** 20

/** Counts what a list brings, so that one that the server makes up ends before the memory does. */
export class ListBound {
  #bytes = 0
  #items = 0

  /** @throws {ChatError} `untrusted`, `endless-list` */
  add(bytes: number, items = 0): void {
    this.#bytes += bytes
    this.#items += items
    if (this.#bytes > MAX_BYTES || this.#items > MAX_ITEMS) throw endless()
  }
}

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
  const bound = new ListBound()
  let cursor: string | null = null
  for (;;) {
    const mark = path.includes('?') ? '&' : '?'
    const query: string = cursor === null ? '' : `${mark}cursor=${encodeURIComponent(cursor)}`
    const { body, size } = await api.call({ method: 'GET', path: path + query, response })
    const { [name]: items, next } = body as { [name: string]: unknown[] } & { next: string | null }
    bound.add(size, items!.length)
    yield body
    if (next === null) return
    if (items!.length === 0 || next === cursor) throw endless()
    cursor = next
  }
}

function endless(): ChatError {
  return untrusted('endless-list', 'The server shows a list that never ends.')
}

/** The ids of all conversations that the server says the user is in. */
export async function conversationIds(api: Api): Promise<string[]> {
  const ids: string[] = []
  for await (const { items } of pagesOf(api, '/v1/conversations?limit=200', ConversationPage))
    for (const { id } of items) ids.push(id)
  return ids
}
