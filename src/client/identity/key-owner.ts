import type { UserChains } from './user-chains.js'
import type { StoredUser } from './user-record.js'

/**
 * The member whose device has or had this signing key under the root that the member's line names; null if
 * there is none. Users known here are looked at first; then their chains are fetched, admins first.
 *
 * @param by fingerprint of the signing key
 * @param members by username
 */
export async function keyOwner(
  users: UserChains,
  by: string,
  members: ReadonlyMap<string, { root: string; role?: string }>
): Promise<StoredUser | null> {
  const owns = (user: StoredUser | undefined): user is StoredUser =>
    user !== undefined &&
    user.bindings.some(
      ({ signingKey, root }) => signingKey === by && root === members.get(user.username)?.root
    )
  for (const username of members.keys()) {
    const user = await users.peek(username)
    if (owns(user)) return user
  }
  const adminsFirst = [...members].sort(([, a], [, b]) => (a.role ?? '').localeCompare(b.role ?? ''))
  for (const [username] of adminsFirst) {
    const { user } = await users.sync(username)
    if (owns(user)) return user
  }
  return null
}
