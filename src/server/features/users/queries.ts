import { and, asc, eq, gt, like } from 'drizzle-orm'
import type { Db } from '../../db/database.js'
import { devices, users } from '../../db/schema.js'

export function activeDevices(db: Db, userId: string) {
  return db
    .select({
      id: devices.id,
      signingKey: devices.signingKey,
      encryptionKey: devices.encryptionKey,
      encryptionVersion: devices.encryptionVersion
    })
    .from(devices)
    .where(and(eq(devices.userId, userId), eq(devices.status, 'active')))
    .orderBy(asc(devices.createdAt), asc(devices.id))
}

/** Signing keys of devices that were once in the chain: it cannot be verified without them. */
export async function retiredSigningKeys(db: Db, userId: string): Promise<string[]> {
  const rows = await db
    .select({ key: devices.signingKey })
    .from(devices)
    .where(and(eq(devices.userId, userId), eq(devices.status, 'revoked')))
    .orderBy(asc(devices.createdAt), asc(devices.id))
  return rows.map(({ key }) => key)
}

/** Users whose names begin with `prefix`, after the name `after`, in order of their names. */
export function usersByPrefix(db: Db, prefix: string, after: string, limit: number) {
  const pattern = prefix.replaceAll(/[\\%_]/g, '\\$&')
  return db
    .select()
    .from(users)
    .where(and(like(users.username, `${pattern}%`), gt(users.username, after)))
    .orderBy(asc(users.username))
    .limit(limit)
}
