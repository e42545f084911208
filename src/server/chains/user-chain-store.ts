import { createPublicKey, type KeyObject } from 'node:crypto'
import { and, asc, eq, gt, ne } from 'drizzle-orm'
import { RuleViolation } from '../../protocol/rule-violation.js'
import type { SignedStatement } from '../../protocol/schema.js'
import type { UserStatement } from '../../protocol/statements.js'
import type { ChainDevice, UserChain } from '../../protocol/user-chain.js'
import type { Db, Tx } from '../db/database.js'
import { devices, userStatements, users } from '../db/schema.js'
import { Problem } from '../http/problem.js'

/** A parsed statement of a user's chain, and what was signed. */
export interface UserLink {
  statement: UserStatement
  signed: SignedStatement
}

/** A user's chain, as it is now. */
export interface StoredUser {
  id: string
  chain: UserChain
  /** Signing keys of the active devices by fingerprint. */
  keys: Map<string, KeyObject>
  /** Active and pending devices by id. */
  devices: Map<string, typeof devices.$inferSelect>
}

/** @throws {RuleViolation} `invalid-statement` unless a line of the statement agrees with the request */
export function requireLine(name: string, actual: string, expected: string): void {
  if (actual !== expected)
    throw new RuleViolation(
      'invalid-statement',
      `The statement's \`${name}\` must be ${expected}, not ${actual}.`
    )
}

/** A user's chain and devices. The user's row stays locked until the transaction ends. */
export async function lockUser(tx: Tx, userId: string): Promise<StoredUser> {
  const [user] = await tx.select().from(users).where(eq(users.id, userId)).for('no key update')
  if (user === undefined) throw new Problem('session-ended')
  return readUser(tx, user)
}

/** The chain and devices of a user whose row is locked or of the same snapshot. */
export async function readUser(tx: Tx, user: typeof users.$inferSelect): Promise<StoredUser> {
  const ofUser = eq(devices.userId, user.id)
  // A chain can have hundreds of retired devices, and only these two of their columns count.
  const retired = await tx
    .select({ id: devices.id, signingKey: devices.signingFingerprint })
    .from(devices)
    .where(and(ofUser, eq(devices.status, 'revoked')))
  const rows = await tx
    .select()
    .from(devices)
    .where(and(ofUser, ne(devices.status, 'revoked')))
  const active = rows.filter(({ status }) => status === 'active')
  return {
    id: user.id,
    chain: {
      user: user.username,
      sequence: user.chainSequence,
      head: user.chainHead,
      root: user.root,
      devices: new Map(active.map((row) => [row.id, chainDevice(row)])),
      retired: new Map(retired.map(({ id, signingKey }) => [id, signingKey]))
    },
    keys: new Map(active.map((row) => [row.signingFingerprint, createPublicKey(row.signingKey)])),
    devices: new Map(rows.map((row) => [row.id, row]))
  }
}

/** A device as the chain knows it. */
export function chainDevice(row: typeof devices.$inferSelect): ChainDevice {
  const { id, purpose, encryptionVersion } = row
  return {
    id,
    purpose,
    signingKey: row.signingFingerprint,
    encryptionKey: row.encryptionFingerprint,
    kemKey: row.kemFingerprint,
    encryptionVersion
  }
}

/** Insert statements: those of one request. */
export async function insertUserStatements(
  tx: Tx,
  userId: string,
  links: readonly UserLink[]
): Promise<void> {
  await tx.insert(userStatements).values(
    links.map(({ statement: { sequence, kind, device: deviceId }, signed: { text, signatures } }) => ({
      userId,
      sequence,
      kind,
      deviceId,
      text,
      signatures
    }))
  )
}

/**
 * The device that a statement names, if the chain already holds this very statement: the request is a retry.
 */
export async function findApplied(
  tx: Tx,
  userId: string,
  { sequence }: { sequence: number },
  text: string
): Promise<typeof devices.$inferSelect | undefined> {
  const [row] = await tx
    .select({ device: devices })
    .from(userStatements)
    .innerJoin(devices, eq(devices.id, userStatements.deviceId))
    .where(
      and(
        eq(userStatements.userId, userId),
        eq(userStatements.sequence, sequence),
        eq(userStatements.text, text)
      )
    )
  return row?.device
}

/** A page of a user's statements after `sequence`, in order. `next` is where the next page begins. */
export async function readUserStatements(
  db: Db,
  userId: string,
  sequence: number,
  limit: number
): Promise<{ items: SignedStatement[]; next: string | null }> {
  const items = await db
    .select({ text: userStatements.text, signatures: userStatements.signatures })
    .from(userStatements)
    .where(and(eq(userStatements.userId, userId), gt(userStatements.sequence, sequence)))
    .orderBy(asc(userStatements.sequence))
    .limit(limit + 1)
  if (items.length <= limit) return { items, next: null }
  return { items: items.slice(0, limit), next: String(sequence + limit) }
}
