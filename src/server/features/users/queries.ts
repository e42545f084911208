import { and, asc, eq, sql } from 'drizzle-orm'
import type { SignedStatement } from '../../../protocol/schema.js'
import type { Db } from '../../db/database.js'
import { boundKeys, devices } from '../../db/schema.js'

export function activeDevices(db: Db, userId: string) {
  return db
    .select({
      id: devices.id,
      signingKey: devices.signingKey,
      encryptionKey: devices.encryptionKey,
      kemKey: devices.kemKey,
      encryptionVersion: devices.encryptionVersion
    })
    .from(devices)
    .where(and(eq(devices.userId, userId), eq(devices.status, 'active')))
    .orderBy(asc(devices.createdAt), asc(devices.id))
}

/** The public signing keys that have signed statements, by fingerprint. */
export async function signingKeys(
  db: Db,
  statements: readonly SignedStatement[]
): Promise<Map<string, string>> {
  const signers = new Set(statements.flatMap(({ signatures }) => Object.keys(signatures)))
  const rows = await db
    .select({ fingerprint: boundKeys.fingerprint, key: devices.signingKey })
    .from(boundKeys)
    .innerJoin(devices, eq(devices.id, boundKeys.deviceId))
    .where(sql`${boundKeys.fingerprint} = any(${sql.param([...signers])}::text[])`)
  return new Map(rows.map(({ fingerprint, key }) => [fingerprint, key]))
}

/** The keys of `signingKeys` that one list of statements needs. */
export function keysOf(statements: readonly SignedStatement[], keys: ReadonlyMap<string, string>): string[] {
  const signers = new Set(statements.flatMap(({ signatures }) => Object.keys(signatures)))
  return [...signers].flatMap((signer) => keys.get(signer) ?? [])
}
