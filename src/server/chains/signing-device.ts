import { createPublicKey, type KeyObject } from 'node:crypto'
import { and, eq, isNull } from 'drizzle-orm'
import type { Purpose } from '../../protocol/statements.js'
import { RuleViolation } from '../../protocol/rule-violation.js'
import type { SignedStatement } from '../../protocol/schema.js'
import type { DeviceSession } from '../access/auth.js'
import type { Db } from '../db/database.js'
import { devices, users } from '../db/schema.js'
import { Problem } from '../http/problem.js'
import { verifySignatures } from './public-keys.js'

export interface SigningDevice {
  id: string
  fingerprint: string
  purpose: Purpose
  key: KeyObject
}

/** The calling device, if it and its account are active at this moment. @throws {Problem} `device-required` */
export async function readSigningDevice(db: Db, { deviceId }: DeviceSession): Promise<SigningDevice> {
  const [device] = await db
    .select({
      key: devices.signingKey,
      fingerprint: devices.signingFingerprint,
      purpose: devices.purpose
    })
    .from(devices)
    .innerJoin(users, eq(users.id, devices.userId))
    .where(and(eq(devices.id, deviceId), eq(devices.status, 'active'), isNull(users.erasedAt)))
  if (device === undefined) throw new Problem('device-required')
  return { ...device, id: deviceId, key: createPublicKey(device.key) }
}

/**
 * Check that a device has made and signed a statement.
 *
 * @param by the fingerprint in the statement's `by` line
 * @throws {RuleViolation} `invalid-statement` or `invalid-signature`
 */
export function requireSigned(
  { fingerprint, key }: SigningDevice,
  by: string,
  signed: SignedStatement
): void {
  if (fingerprint !== by)
    throw new RuleViolation('invalid-statement', `\`by\` must be this device's signing key, ${fingerprint}.`)
  verifySignatures(signed, new Map([[by, key]]))
}
