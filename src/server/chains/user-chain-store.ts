import { createPublicKey, type KeyObject } from 'node:crypto'
import { and, asc, eq, gt } from 'drizzle-orm'
import type { NewDevice } from '../../protocol/devices.js'
import { Problem } from '../http/problem.js'
import { RuleViolation } from '../../protocol/rule-violation.js'
import type { SignedStatement } from '../../protocol/schema.js'
import { parseStatement, type Statement } from '../../protocol/statements.js'
import type { UserChain } from '../../protocol/user-chain.js'
import type { Db, Tx } from '../db/database.js'
import { duplicateOf } from '../db/errors.js'
import { boundKeys, devices, userStatements, users } from '../db/schema.js'
import { readEncryptionKey, readSigningKey, sha256Hex, type PublicKey } from './public-keys.js'

/** A new device with valid keys, which its statement names. The signatures are not verified yet. */
export interface DeviceMaterial {
  id: string
  name: string
  signing: PublicKey
  encryption: PublicKey
  signed: SignedStatement
  statement: Statement<'device-add' | 'device-reset'>
  hash: string
}

/** @throws {Problem} `invalid-key` @throws {RuleViolation} `invalid-statement` */
export function readNewDevice(
  body: NewDevice,
  username: string,
  smallestBits: number,
  kinds: readonly ('device-add' | 'device-reset')[]
): DeviceMaterial {
  const statement = parseStatement(body.statement.text, kinds)
  const signing = readSigningKey(body.signingKey)
  const encryption = readEncryptionKey(body.encryptionKey, smallestBits)
  requireLine('user', statement.user, username)
  requireLine('device', statement.device, body.id)
  requireLine('signing-key', statement.signingKey, signing.fingerprint)
  requireLine('encryption-key', statement.encryptionKey, encryption.fingerprint)
  const { id, name } = body
  return {
    id,
    name,
    signing,
    encryption,
    signed: body.statement,
    statement,
    hash: sha256Hex(body.statement.text)
  }
}

/** @throws {RuleViolation} `invalid-statement` unless a line of the statement agrees with the request */
export function requireLine(name: string, actual: string, expected: string): void {
  if (actual !== expected)
    throw new RuleViolation(
      'invalid-statement',
      `The statement's \`${name}\` must be ${expected}, not ${actual}.`
    )
}

/** @throws {Problem} `id-conflict` or `key-in-use` */
export async function insertDevice(
  tx: Tx,
  userId: string,
  { id, name, signing, encryption, signed }: DeviceMaterial,
  status: 'active' | 'pending'
): Promise<typeof devices.$inferSelect> {
  const [device] = await tx
    .insert(devices)
    .values({
      id,
      userId,
      name,
      status,
      signingKey: signing.pem,
      signingFingerprint: signing.fingerprint,
      encryptionKey: encryption.pem,
      encryptionFingerprint: encryption.fingerprint,
      encryptionVersion: 1,
      request: status === 'pending' ? signed : null
    })
    .returning()
    .catch((error: unknown) => {
      throw duplicateOf(error) === 'devices_pkey' ? new Problem('id-conflict') : error
    })
  await bindKeys(tx, id, [signing, encryption])
  return device!
}

/** Bind keys to a device for ever. @throws {Problem} `key-in-use` if one is bound already */
export async function bindKeys(tx: Tx, deviceId: string, keys: readonly PublicKey[]): Promise<void> {
  await tx
    .insert(boundKeys)
    .values(keys.map(({ fingerprint }) => ({ fingerprint, deviceId })))
    .catch((error: unknown) => {
      throw duplicateOf(error) === 'bound_keys_pkey' ? new Problem('key-in-use') : error
    })
}

export interface LockedUser {
  chain: UserChain
  /** Signing keys of the active devices by fingerprint. */
  keys: Map<string, KeyObject>
  devices: Map<string, typeof devices.$inferSelect>
}

/** A user's chain and devices. The user's row stays locked until the transaction ends. */
export async function lockUser(tx: Tx, userId: string): Promise<LockedUser> {
  const [user] = await tx.select().from(users).where(eq(users.id, userId)).for('no key update')
  if (user === undefined) throw new Problem('session-ended')
  const rows = await tx.select().from(devices).where(eq(devices.userId, userId))
  const active = rows.filter(({ status }) => status === 'active')
  return {
    chain: {
      user: user.username,
      sequence: user.chainSequence,
      head: user.chainHead,
      root: user.root,
      devices: new Map(
        active.map((row) => [
          row.id,
          {
            id: row.id,
            signingKey: row.signingFingerprint,
            encryptionKey: row.encryptionFingerprint,
            encryptionVersion: row.encryptionVersion
          }
        ])
      ),
      retired: new Set(rows.filter(({ status }) => status === 'revoked').map(({ id }) => id))
    },
    keys: new Map(active.map((row) => [row.signingFingerprint, createPublicKey(row.signingKey)])),
    devices: new Map(rows.map((row) => [row.id, row]))
  }
}

export async function insertUserStatement(
  tx: Tx,
  userId: string,
  sequence: number,
  { text, signatures }: SignedStatement
): Promise<void> {
  await tx.insert(userStatements).values({ userId, sequence, text, signatures })
}

/** A user's statements after `sequence`, in order. */
export function readUserStatements(db: Db, userId: string, sequence: number): Promise<SignedStatement[]> {
  return db
    .select({ text: userStatements.text, signatures: userStatements.signatures })
    .from(userStatements)
    .where(and(eq(userStatements.userId, userId), gt(userStatements.sequence, sequence)))
    .orderBy(asc(userStatements.sequence))
}

/** A device as its owner sees it. */
export function deviceView(row: typeof devices.$inferSelect) {
  const { id, name, status, signingKey, encryptionKey, encryptionVersion, createdAt } = row
  return {
    id,
    name,
    status,
    signingKey,
    encryptionKey,
    encryptionVersion,
    createdAt: createdAt.toISOString()
  }
}
