import type { Static } from 'typebox'
import * as Type from 'typebox'
import { MAX_CHAIN_USERS } from '../../protocol/accounts.js'
import { NextCursor, Pem, Sha256, SignedStatement, Username } from '../../protocol/schema.js'
import { LAST_SEQUENCE } from '../../protocol/user-chain.js'
import { Turns } from '../../crypto/turns.js'
import { untrusted } from '../errors.js'
import type { Api } from '../transport/api.js'
import type { ApiResponse } from '../transport/http.js'
import { ListBound } from '../transport/pages.js'
import { checked } from '../transport/response-schema.js'

/** A `UserChainPage` whose statements are not checked yet: that takes long, and has to be done in turns. */
const ChainPage = Type.Object({
  items: Type.Array(
    Type.Object({
      username: Username,
      items: Type.Array(Type.Unknown()),
      keys: Type.Array(Pem('Ed25519 public key')),
      head: Sha256('')
    })
  ),
  next: NextCursor
})
type ChainPage = Static<typeof ChainPage>

/** Each statement names one device and has at most two signatures. */
const KEYS_PER_STATEMENT = 3

/** What the server shows of a user's chain. Nothing of it is verified. */
export interface ServedChain {
  /** The statements after the sequence that was asked for. */
  statements: SignedStatement[]
  /** Public signing keys in PEM. */
  keys: string[]
  head: string
}

/**
 * Fetch what is new of some users' chains.
 *
 * @param users at most `MAX_CHAIN_USERS`, each with the last sequence known here
 * @returns by username; users whom the server does not know are missing
 * @throws {ChatError} `endless-list`, `too-long-chain` or `other-answer` (`untrusted`)
 */
export async function fetchChains(
  api: Api,
  users: readonly { username: string; after: number }[]
): Promise<Map<string, ServedChain>> {
  const asked = new Map(users.map(({ username, after }) => [username, after]))
  const found = new Map<string, ServedChain>()
  const body = { users }
  const turns = new Turns()
  const bound = new ListBound()
  let cursor: string | null = null
  do {
    const path: string = `/v1/users/chains${cursor === null ? '' : `?cursor=${encodeURIComponent(cursor)}`}`
    const { body: page, size }: ApiResponse<ChainPage> = await api.call({
      method: 'POST',
      path,
      body,
      response: ChainPage
    })
    bound.add(size)
    if (page.next !== null && (page.items.length === 0 || page.next === cursor))
      throw untrusted('endless-list', 'The server shows chains that never end.')
    for (const item of page.items) await take(item)
    cursor = page.next
  } while (cursor !== null)
  return found

  async function take({ username, items, keys, head }: ChainPage['items'][number]): Promise<void> {
    const after = asked.get(username)
    const before = found.get(username)
    // A second item has to bring something, or the pages would never end.
    if (after === undefined || (before !== undefined && items.length === 0))
      throw untrusted('other-answer', `The server shows another chain than it was asked for (${username}).`)
    if (after + (before?.statements.length ?? 0) + items.length > LAST_SEQUENCE['device-revoke'])
      throw untrusted('too-long-chain', `The server shows a chain of ${username} that is too long.`)
    if (keys.length > items.length * KEYS_PER_STATEMENT)
      throw untrusted('other-answer', `The server shows more keys of ${username} than the chain names.`)
    const statements = [...(before?.statements ?? [])]
    for (const item of items) {
      statements.push(checked(SignedStatement, item, 'a statement of a user’s chain'))
      await turns.next()
    }
    found.set(username, { statements, keys: [...(before?.keys ?? []), ...keys], head })
  }
}

/** The names in batches that one request may hold. */
export function batches(usernames: readonly string[]): string[][] {
  const found: string[][] = []
  for (let at = 0; at < usernames.length; at += MAX_CHAIN_USERS)
    found.push(usernames.slice(at, at + MAX_CHAIN_USERS))
  return found
}
