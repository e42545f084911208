import { and, eq, ne } from 'drizzle-orm'
import type { NewDevice } from '../../protocol/devices.js'
import { parseStatement } from '../../protocol/parse-statement.js'
import type { SignedStatement } from '../../protocol/schema.js'
import type { Statement } from '../../protocol/statements.js'
import { Problem } from '../http/problem.js'
import type { Tx } from '../db/database.js'
import { duplicateOf } from '../db/errors.js'
import { boundKeys, devices } from '../db/schema.js'
import {
  boundBy,
  keyColumns,
  readEncryptionKeys,
  requireKeyLines,
  type EncryptionKeys
} from './device-keys.js'
import { readSigningKey, type PublicKey } from './public-keys.js'
import { requireLine } from './user-chain-store.js'

export type DeviceRow = typeof devices.$inferSelect

/** A new device with valid keys, which its statement names. The signatures are not verified yet. */
export interface DeviceMaterial {
  id: string
  name: string
  signing: PublicKey
  keys: EncryptionKeys
  signed: SignedStatement
  statement: Statement<'device-add' | 'device-reset'>
}

/** @throws {Problem} `invalid-key` @throws {RuleViolation} `invalid-statement` */
export function readNewDevice(
  body: NewDevice,
  username: string,
  smallestBits: number,
  kinds: readonly ('device-add' | 'device-reset')[]
): DeviceMaterial {
  const { id, name, statement: signed } = body
  const statement = parseStatement(signed.text, kinds)
  const signing = readSigningKey(body.signingKey)
  const keys = readEncryptionKeys(body, smallestBits)
  requireLine('user', statement.user, username)
  requireLine('device', statement.device, id)
  requireLine('signing-key', statement.signingKey, signing.fingerprint)
  requireKeyLines(statement, keys)
  return { id, name, signing, keys, signed, statement }
}

/** @throws {Problem} `id-conflict` or `key-in-use` */
export async function insertDevice(
  tx: Tx,
  userId: string,
  { id, name, signing, keys, signed, statement }: DeviceMaterial,
  status: 'active' | 'pending'
): Promise<DeviceRow> {
  const [device] = await insertDeviceRows(tx, [
    {
      id,
      userId,
      name,
      status,
      purpose: statement.purpose,
      signingKey: signing.pem,
      signingFingerprint: signing.fingerprint,
      ...keyColumns(keys, 1),
      request: status === 'pending' ? signed : null
    }
  ])
  await bindKeys(
    tx,
    boundBy(statement).map((fingerprint) => ({ fingerprint, deviceId: id }))
  )
  return device!
}

/** Insert the devices of one request. Their keys are not bound. @throws {Problem} `id-conflict` */
export function insertDeviceRows(tx: Tx, rows: (typeof devices.$inferInsert)[]): Promise<DeviceRow[]> {
  return tx
    .insert(devices)
    .values(rows)
    .returning()
    .catch((error: unknown) => {
      throw duplicateOf(error) === 'devices_pkey' ? new Problem('id-conflict') : error
    })
}

/** Bind the keys of one request to their devices for ever. @throws {Problem} `key-in-use` if one is bound */
export async function bindKeys(tx: Tx, keys: (typeof boundKeys.$inferInsert)[]): Promise<void> {
  await tx
    .insert(boundKeys)
    .values(keys)
    .catch((error: unknown) => {
      throw duplicateOf(error) === 'bound_keys_pkey' ? new Problem('key-in-use') : error
    })
}

/** Delete the other pending devices after a reset: no device is left that could approve them. */
export async function dropPending(tx: Tx, userId: string, except: string): Promise<void> {
  await tx
    .delete(devices)
    .where(and(eq(devices.userId, userId), eq(devices.status, 'pending'), ne(devices.id, except)))
}

/** The public keys of a device, as everybody sees them. */
export function publicDevice(
  row: Pick<DeviceRow, 'id' | 'signingKey' | 'encryptionKey' | 'kemKey' | 'encryptionVersion'>
) {
  const { id, signingKey, encryptionKey, kemKey, encryptionVersion } = row
  return {
    id,
    signingKey,
    encryptionKey,
    ...(kemKey !== null && { kemKey: kemKey.toString('base64') }),
    encryptionVersion
  }
}

/** A device as its owner sees it. */
export function deviceView(row: DeviceRow) {
  const { name, status, createdAt } = row
  return { ...publicDevice(row), name, status, createdAt: createdAt.toISOString() }
}
