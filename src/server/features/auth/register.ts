import { randomUUID } from 'node:crypto'
import { eq, or } from 'drizzle-orm'
import { extendUserChain, type UserChain } from '../../../protocol/user-chain.js'
import { insertDevice, type DeviceMaterial, type DeviceRow } from '../../chains/device-store.js'
import { sha256Hex, verifySignatures } from '../../chains/public-keys.js'
import { insertUserStatements } from '../../chains/user-chain-store.js'
import type { AccountKind, ContactPolicy, ServerRole } from '../../../protocol/accounts.js'
import { skeletonOf } from '../../chains/users.js'
import type { Db, Tx } from '../../db/database.js'
import { duplicateOf } from '../../db/errors.js'
import { users } from '../../db/schema.js'
import { Problem } from '../../http/problem.js'

/** The chain that a first device begins: it signs for itself. */
export function beginChain({ signed, statement, signing }: DeviceMaterial): UserChain {
  const signers = verifySignatures(signed, new Map([[signing.fingerprint, signing.key]]))
  return extendUserChain(null, statement, sha256Hex(signed.text), signers)
}

/** @throws {Problem} `username-taken`, or `username-confusable` if it looks like that of another user */
export async function requireFreeName(db: Db, username: string): Promise<void> {
  const found = await db
    .select({ username: users.username })
    .from(users)
    .where(or(eq(users.username, username), eq(users.skeleton, skeletonOf(username))))
  if (found.some((one) => one.username === username)) throw new Problem('username-taken')
  if (found.length > 0) throw new Problem('username-confusable')
}

/** The constraints of names, and how a registration fails that came second. */
const NAMES: Readonly<Record<string, 'username-taken' | 'username-confusable'>> = {
  users_username_unique: 'username-taken',
  users_skeleton_unique: 'username-confusable'
}

export interface NewUser {
  username: string
  passwordHash: string
  role: ServerRole
  kind: AccountKind
  contactPolicy: ContactPolicy
}

/**
 * Insert a user with a chain and a first device. @throws {Problem} `username-taken`, `username-confusable`,
 * `id-conflict` or `key-in-use`
 */
export async function insertUser(
  tx: Tx,
  given: NewUser,
  chain: UserChain,
  material: DeviceMaterial
): Promise<{ user: typeof users.$inferSelect; device: DeviceRow }> {
  const { sequence: chainSequence, head: chainHead, root } = chain
  const [user] = await tx
    .insert(users)
    .values({ id: randomUUID(), ...given, chainSequence, chainHead, root })
    .returning()
    .catch((error: unknown) => {
      const name = NAMES[duplicateOf(error) ?? '']
      throw name === undefined ? error : new Problem(name)
    })
  const device = await insertDevice(tx, user!.id, material, 'active')
  await insertUserStatements(tx, user!.id, [material])
  return { user: user!, device }
}
