import { createHash, randomBytes } from 'node:crypto'
import { and, asc, desc, eq, gte, isNotNull, lt, sql } from 'drizzle-orm'
import type { FastifyRequest } from 'fastify'
import type { Db, Tx } from '../db/database.js'
import { rows } from '../db/rows.js'
import { audit } from '../db/schema.js'
import { isoTime } from '../log/entry.js'
import type { ActiveSession } from './sessions.js'

/** Who acts: a user in a session, the operator at the server's socket, or the server itself. */
export type Actor =
  { kind: 'user'; id: string; address: string } | { kind: 'operator' | 'server'; id: null; address: null }

export const OPERATOR: Actor = { kind: 'operator', id: null, address: null }

export function userActor({ userId: id }: Pick<ActiveSession, 'userId'>, request: FastifyRequest): Actor {
  return { kind: 'user', id, address: request.address }
}

/** What the audit tells of an act. Never content. */
export type Details = Readonly<Record<string, string | number | boolean | null>>

export interface Act {
  /** As `user.suspend`. */
  action: string
  /** A user's id, or the id of what else it was done to. */
  subject: string | null
  details?: Details
}

type AuditRow = typeof audit.$inferSelect

/** The advisory lock of the audit: an arbitrary constant of this program. */
const AUDIT = 7_236_418_205
const SALT_BYTES = 16
/** The hash before the first row. */
export const NO_ROW = '0'.repeat(64)

/**
 * Add a row to the audit, in the transaction of the act. Until this ends no other row is added, so ids have no gaps:
 * call it last, only before `appendEvents`.
 */
export async function record(tx: Tx, actor: Actor, { action, subject, details = {} }: Act): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${AUDIT}::bigint)`)
  const [last] = await tx
    .select({ id: audit.id, hash: audit.hash })
    .from(audit)
    .orderBy(desc(audit.id))
    .limit(1)
  const [clock] = await rows<{ at: string }>(tx, sql.raw(`select ${isoTime('clock_timestamp()')} as at`))
  const [detailsSalt, addressSalt] = [randomBytes(SALT_BYTES), randomBytes(SALT_BYTES)]
  const row = {
    id: (last?.id ?? 0) + 1,
    at: new Date(clock!.at),
    actorKind: actor.kind,
    actor: actor.id,
    action,
    subject,
    details,
    detailsSalt,
    detailsHash: saltedHash(detailsSalt, details),
    address: actor.address,
    addressSalt,
    addressHash: saltedHash(addressSalt, actor.address)
  }
  const hash = hashOfRow(row, last?.hash.toString('hex') ?? NO_ROW)
  await tx.insert(audit).values({ ...row, hash: Buffer.from(hash, 'hex') })
}

/**
 * The hash of a row covers the row before it. It covers details and address by hashes with salts, so that these can
 * be erased later, and nobody can guess them from what is left.
 */
function hashOfRow(row: Omit<AuditRow, 'hash'>, previous: string): string {
  const { id, at, actorKind, actor, action, subject, detailsHash, addressHash } = row
  const hashes = [detailsHash.toString('hex'), addressHash.toString('hex'), previous]
  const fields = ['secure-chat/v1 audit', id, at.toISOString(), actorKind, actor, action, subject, ...hashes]
  return createHash('sha256').update(JSON.stringify(fields)).digest('hex')
}

function saltedHash(salt: Buffer, value: unknown): Buffer {
  return createHash('sha256').update(salt).update(canonical(value)).digest()
}

/** JSON with the members in the order of their names. */
function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))
  return JSON.stringify(Object.fromEntries(members))
}

/** Rows, newest first. */
export function readAudit(
  db: Db,
  which: { subject?: string; actor?: string; action?: string },
  { before, limit }: { before?: number; limit: number }
): Promise<AuditRow[]> {
  return db
    .select()
    .from(audit)
    .where(
      and(
        which.subject === undefined ? undefined : eq(audit.subject, which.subject),
        which.actor === undefined ? undefined : eq(audit.actor, which.actor),
        which.action === undefined ? undefined : eq(audit.action, which.action),
        before === undefined ? undefined : lt(audit.id, before)
      )
    )
    .orderBy(desc(audit.id))
    .limit(limit)
}

/** A place in the audit: a row and its hash. */
export interface Place {
  id: number
  hash: string
}

export interface Verified {
  /** Rows that fit. */
  verified: number
  /** The last row that fits. */
  last: Place
  /** Whether all rows were looked at. */
  complete: boolean
  fault: { id: number; reason: 'changed' | 'missing' } | null
}

/**
 * Check the rows that follow a place. A place that an operator has kept tells too whether rows at the end are gone.
 *
 * @param most rows to look at
 */
export async function verifyAudit(db: Db, from: Place, most: number): Promise<Verified> {
  const found = await db
    .select()
    .from(audit)
    .where(gte(audit.id, from.id))
    .orderBy(asc(audit.id))
    .limit(most + 2)
  let last = from
  if (from.id > 0) {
    const [first] = found.splice(0, 1)
    const fault = faultOfPlace(first, from)
    if (fault !== null) return { verified: 0, last, complete: true, fault }
  }
  const looked = found.slice(0, most)
  for (const [n, row] of looked.entries()) {
    const fault = faultOfRow(row, last)
    if (fault !== null) return { verified: n, last, complete: true, fault }
    last = { id: row.id, hash: row.hash.toString('hex') }
  }
  return { verified: looked.length, last, complete: found.length <= most, fault: null }
}

function faultOfPlace(row: AuditRow | undefined, { id, hash }: Place): Verified['fault'] {
  if (row?.id !== id) return { id, reason: 'missing' }
  return row.hash.toString('hex') === hash ? null : { id, reason: 'changed' }
}

function faultOfRow(row: AuditRow, last: Place): Verified['fault'] {
  const { id, details, detailsSalt, detailsHash, address, addressSalt, addressHash } = row
  if (id !== last.id + 1) return { id: last.id + 1, reason: 'missing' }
  const fits =
    isErasedOr(details, detailsSalt, detailsHash) &&
    isErasedOr(address, addressSalt, addressHash) &&
    hashOfRow(row, last.hash) === row.hash.toString('hex')
  return fits ? null : { id, reason: 'changed' }
}

function isErasedOr(value: unknown, salt: Buffer | null, hash: Buffer): boolean {
  return salt === null ? value === null : saltedHash(salt, value).equals(hash)
}

/** Forget from where admins acted. The chain of hashes still verifies. */
export async function eraseAddresses(db: Db, days: number): Promise<void> {
  const isOld = lt(audit.at, sql`now() - ${days} * interval '1 day'`)
  await db
    .update(audit)
    .set({ address: null, addressSalt: null })
    .where(and(isOld, isNotNull(audit.addressSalt)))
}
