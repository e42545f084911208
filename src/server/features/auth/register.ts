import { randomUUID } from 'node:crypto'
import { extendUserChain, type UserChain } from '../../../protocol/user-chain.js'
import { insertDevice, type DeviceMaterial, type DeviceRow } from '../../chains/device-store.js'
import { sha256Hex, verifySignatures } from '../../chains/public-keys.js'
import { insertUserStatements } from '../../chains/user-chain-store.js'
import type { Tx } from '../../db/database.js'
import { duplicateOf } from '../../db/errors.js'
import { users } from '../../db/schema.js'
import { Problem } from '../../http/problem.js'

/** The chain that a first device begins: it signs for itself. */
export function beginChain({ signed, statement, signing }: DeviceMaterial): UserChain {
  const signers = verifySignatures(signed, new Map([[signing.fingerprint, signing.key]]))
  return extendUserChain(null, statement, sha256Hex(signed.text), signers)
}

/**
 * Insert a user with a chain and a first device. @throws {Problem} `username-taken`, `id-conflict` or
 * `key-in-use`
 */
export async function insertUser(
  tx: Tx,
  { username, passwordHash }: { username: string; passwordHash: string },
  chain: UserChain,
  material: DeviceMaterial
): Promise<{ user: typeof users.$inferSelect; device: DeviceRow }> {
  const { sequence: chainSequence, head: chainHead, root } = chain
  const [user] = await tx
    .insert(users)
    .values({ id: randomUUID(), username, passwordHash, chainSequence, chainHead, root })
    .returning()
    .catch((error: unknown) => {
      throw duplicateOf(error) === 'users_username_unique' ? new Problem('username-taken') : error
    })
  const device = await insertDevice(tx, user!.id, material, 'active')
  await insertUserStatements(tx, user!.id, [material])
  return { user: user!, device }
}
