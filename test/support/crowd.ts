import { randomBytes, randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import type { Db } from '../../src/server/db/database.js'
import { cheapKeys } from './bad-input.js'
import type { CurrentUser } from './chain-requests.js'
import { kemFp, sha256Hex, type DeviceKeys } from './interop/crypto.js'

/**
 * Users with a device each, written straight into the database: to register hundreds takes too long. Their
 * chains have a head and no statements, so nobody can act for them.
 */
export async function crowd(
  db: Db,
  count: number,
  options: { prefix?: string; kemKey?: string } = {}
): Promise<Map<string, CurrentUser>> {
  const { prefix = 'crowd', kemKey } = options
  const keys: DeviceKeys = cheapKeys({ ...(kemKey !== undefined && { kemKey }) })
  const users = Array.from({ length: count }, (_, n) => {
    const username = `${prefix}${String(n).padStart(4, '0')}`
    return { username, id: randomUUID(), head: sha256Hex(randomBytes(8)), deviceId: randomUUID() }
  })
  await db.execute(sql`
insert into users (id, username, password_hash, chain_sequence, chain_head, root,
  contact_policy)
select u.id, u.username, '', 1, u.head, ${keys.signingFp}, 'everyone'
from json_to_recordset(${JSON.stringify(users)}::json) as u(id uuid, username text, head text)`)
  await db.execute(sql`
insert into devices (id, user_id, name, status, purpose, signing_key, signing_fingerprint, encryption_key,
                     encryption_fingerprint, kem_key, kem_fingerprint, encryption_version)
select u."deviceId", u.id, '', 'active', 'chat', ${keys.signingKey}, ${keys.signingFp}, ${keys.encryptionKey},
  ${keys.encryptionFp}, decode(${kemKey ?? null}::text, 'base64'), ${kemFp(keys)}, 1
from json_to_recordset(${JSON.stringify(users)}::json) as u(id uuid, "deviceId" uuid)`)
  const { signingKey, encryptionKey, signingFp: root } = keys
  const device = { signingKey, encryptionKey, ...(kemKey !== undefined && { kemKey }), encryptionVersion: 1 }
  return new Map(
    users.map(({ username, head, deviceId }) => [
      username,
      { username, root, sequence: 1, head, devices: [{ id: deviceId, ...device }] }
    ])
  )
}
