import { createPublicKey } from 'node:crypto'
import { and, asc, eq, inArray } from 'drizzle-orm'
import { Problem } from '../http/problem.js'
import { RuleViolation } from '../../protocol/rule-violation.js'
import type { SignedStatement } from '../../protocol/schema.js'
import type { DeviceSession } from '../access/auth.js'
import type { Tx } from '../db/database.js'
import { devices, users } from '../db/schema.js'
import { verifySignatures } from './public-keys.js'

/**
 * Lock users against changes of their devices and roots until the transaction ends. Every transaction locks
 * in this order: users, then conversations, then the log's counter.
 *
 * @returns those that exist, by username
 */
export async function lockUsers(
  tx: Tx,
  usernames: readonly string[]
): Promise<Map<string, { id: string; root: string }>> {
  const rows = await tx
    .select({ id: users.id, username: users.username, root: users.root })
    .from(users)
    .where(inArray(users.username, [...usernames]))
    .orderBy(asc(users.id))
    .for('share')
  return new Map(rows.map(({ username, ...user }) => [username, user]))
}

/**
 * Check that the calling device has made and signed a statement, and is active at this moment. The caller's
 * user is locked.
 *
 * @param by the fingerprint in the statement's `by` line
 * @throws {Problem} `device-required`
 * @throws {RuleViolation} `invalid-statement` or `invalid-signature`
 */
export async function requireSigningDevice(
  tx: Tx,
  session: DeviceSession,
  by: string,
  signed: SignedStatement
): Promise<void> {
  const [device] = await tx
    .select({ key: devices.signingKey, fingerprint: devices.signingFingerprint })
    .from(devices)
    .where(and(eq(devices.id, session.deviceId), eq(devices.status, 'active')))
  if (device === undefined) throw new Problem('device-required')
  if (device.fingerprint !== by)
    throw new RuleViolation(
      'invalid-statement',
      `\`by\` must be this device's signing key, ${device.fingerprint}.`
    )
  const signers = verifySignatures(signed, new Map([[by, createPublicKey(device.key)]]))
  if (!signers.has(by)) throw new RuleViolation('invalid-signature')
}
