import { createPublicKey, type KeyObject } from 'node:crypto'
import { and, eq } from 'drizzle-orm'
import type { Purpose } from '../../protocol/statements.js'
import { RuleViolation } from '../../protocol/rule-violation.js'
import type { SignedStatement } from '../../protocol/schema.js'
import type { DeviceSession } from '../access/auth.js'
import type { Db } from '../db/database.js'
import { devices, sessions } from '../db/schema.js'
import { Problem } from '../http/problem.js'
import { verifySignatures } from './public-keys.js'

export interface SigningDevice {
  id: string
  fingerprint: string
  purpose: Purpose
  key: KeyObject
}

/** The calling device, if it is active and its session has not ended at this moment. @throws {Problem} `session-ended` */
export async function readSigningDevice(db: Db, { id, deviceId }: DeviceSession): Promise<SigningDevice> {
  const [device] = await db
    .select({
      key: devices.signingKey,
      fingerprint: devices.signingFingerprint,
      purpose: devices.purpose
    })
    .from(devices)
    .innerJoin(sessions, eq(sessions.deviceId, devices.id))
    .where(and(eq(sessions.id, id), eq(devices.id, deviceId), eq(devices.status, 'active')))
  if (device === undefined) throw new Problem('session-ended')
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
