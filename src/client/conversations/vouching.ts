import { SessionKeyPage } from '../../protocol/conversations.js'
import { parseStatement } from '../../protocol/statements.js'
import { verifyStatement } from '../../crypto/statements.js'
import { keyOwner } from '../identity/key-owner.js'
import type { UserChains } from '../identity/user-chains.js'
import { isActive } from '../identity/user-record.js'
import type { Api } from '../transport/api.js'
import { pagesOf } from '../transport/pages.js'

/**
 * Whether a device that is active today has made a session key on one of these statements, and so vouches for
 * it (protocol, "Judging the past").
 *
 * @param heads hash of each statement → the members when it was the newest, by username
 */
export async function isVouched(
  api: Api,
  users: UserChains,
  conversationId: string,
  heads: ReadonlyMap<string, ReadonlyMap<string, { root: string }>>
): Promise<boolean> {
  const path = `/v1/conversations/${conversationId}/session-keys?limit=50`
  for await (const { items } of pagesOf(api, path, SessionKeyPage))
    for (const { statement: signed } of items) {
      const { head, by, conversation } = parseStatement(signed.text, ['session-key'])
      const members = heads.get(head)
      if (members === undefined || conversation !== conversationId) continue
      const maker = await keyOwner(users, by, members)
      if (maker === null || !isActive(maker, by)) continue
      await verifyStatement(signed, new Map([[by, await users.signingKey(maker, by)]]))
      return true
    }
  return false
}
