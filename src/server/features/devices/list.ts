import { and, asc, eq, sql } from 'drizzle-orm'
import { UUID } from '../../../protocol/ids.js'
import type { DeviceRow } from '../../chains/device-store.js'
import type { Db } from '../../db/database.js'
import { devices } from '../../db/schema.js'
import { Problem } from '../../http/problem.js'

/**
 * A user's devices: active and pending ones first, then revoked ones, each in the order of their dates.
 *
 * @param after the id of the last device of the page before
 * @throws {Problem} `invalid-cursor`
 */
export function listDevices(db: Db, userId: string, limit: number, after?: string): Promise<DeviceRow[]> {
  if (after !== undefined && !new RegExp(`^${UUID}$`).test(after)) throw new Problem('invalid-cursor')
  const isRevoked = sql`${devices.status} = 'revoked'`
  const place = sql`(${isRevoked}, ${devices.createdAt}, ${devices.id})`
  return db
    .select()
    .from(devices)
    .where(
      and(
        eq(devices.userId, userId),
        after === undefined
          ? undefined
          : sql`${place} > (select status = 'revoked', created_at, id from devices
              where id = ${after} and user_id = ${userId})`
      )
    )
    .orderBy(isRevoked, asc(devices.createdAt), asc(devices.id))
    .limit(limit)
}
