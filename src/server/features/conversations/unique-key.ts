import { eq } from 'drizzle-orm'
import type { KeylessChain } from '../../../protocol/extend-conversation-chain.js'
import type { Tx } from '../../db/database.js'
import { conversations } from '../../db/schema.js'
import { Problem } from '../../http/problem.js'
import type { CurrentUsers } from './current-users.js'
import { lockChain } from './stored-chain.js'

/**
 * Two users have one direct conversation. A user has one `self` conversation for each root. When the lines of
 * both members of a direct one are stale, neither can sign for it any more, and they may create another.
 *
 * @returns the `uniqueKey` of the new conversation; null for a group
 * @throws {Problem} `direct-exists` or `self-exists`
 */
export async function requireUnique(
  tx: Tx,
  { id, kind, members }: KeylessChain,
  users: CurrentUsers
): Promise<string | null> {
  if (kind === 'group') return null
  const lines = [...members].map(([username, { root }]) => ({ root, userId: users.user(username).userId }))
  const key =
    kind === 'self'
      ? lines.map(({ userId, root }) => `${userId}:${root}`).join()
      : lines
          .map(({ userId }) => userId)
          .sort()
          .join(':')
  const [present] = await tx
    .select({ id: conversations.id })
    .from(conversations)
    .where(eq(conversations.uniqueKey, key))
  // This very one may have been created meanwhile: then it cannot be inserted, and the request starts again.
  if (present === undefined || present.id === id) return key
  const { id: conversationId } = present
  if (kind === 'self') throw new Problem('self-exists', undefined, { conversationId })
  const before = await lockChain(tx, conversationId)
  if ([...before!.members.values()].some(({ root, user }) => root === user.root))
    throw new Problem('direct-exists', undefined, { conversationId })
  await tx.update(conversations).set({ uniqueKey: null }).where(eq(conversations.id, conversationId))
  return key
}
