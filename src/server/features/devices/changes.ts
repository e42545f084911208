import { and, eq, ne } from 'drizzle-orm'
import { Problem } from '../../http/problem.js'
import { RuleViolation } from '../../../protocol/rule-violation.js'
import type { SignedStatement } from '../../../protocol/schema.js'
import type { UserStatement } from '../../../protocol/statements.js'
import { extendUserChain, type UserChain } from '../../../protocol/user-chain.js'
import type { Tx } from '../../db/database.js'
import { devices, sessions, userStatements, users } from '../../db/schema.js'
import { insertUserStatement, readUserStatements, type LockedUser } from '../../chains/user-chain-store.js'
import { sha256Hex } from '../../chains/public-keys.js'
import { appendEvents, type NewEvent } from '../../log/append-events.js'
import { requireRekey } from '../../chains/rosters.js'
import { endSessions } from '../../access/sessions.js'

export type DeviceRow = typeof devices.$inferSelect

/** Whether the chain already holds this very statement: the request is a retry. */
export async function isApplied(tx: Tx, userId: string, sequence: number, text: string): Promise<boolean> {
  const [row] = await tx
    .select({ text: userStatements.text })
    .from(userStatements)
    .where(and(eq(userStatements.userId, userId), eq(userStatements.sequence, sequence)))
  return row?.text === text
}

/** The chain with one more statement. @throws {Problem} `stale-chain` with the newer statements */
export async function extended(
  tx: Tx,
  userId: string,
  chain: UserChain,
  statement: UserStatement,
  text: string,
  signers: ReadonlySet<string>
): Promise<UserChain> {
  try {
    return extendUserChain(chain, statement, sha256Hex(text), signers)
  } catch (error) {
    if (!(error instanceof RuleViolation) || error.code !== 'stale-chain') throw error
    const statements = await readUserStatements(tx, userId, Math.min(statement.sequence, chain.sequence) - 1)
    throw new Problem('stale-chain', undefined, { head: chain.head, sequence: chain.sequence, statements })
  }
}

/**
 * Write the effects of a valid statement: the chain, the session keys that are out of date, the end of
 * sessions of devices that are no longer active, and the events. The caller writes the device's own row.
 */
export async function applyChain(
  tx: Tx,
  userId: string,
  before: LockedUser,
  after: UserChain,
  signed: SignedStatement
): Promise<void> {
  await insertUserStatement(tx, userId, after.sequence, signed)
  await tx
    .update(users)
    .set({ chainSequence: after.sequence, chainHead: after.head, root: after.root })
    .where(eq(users.id, userId))
  const events: NewEvent[] = []
  for (const id of before.chain.devices.keys()) {
    if (after.devices.has(id)) continue
    await tx.update(devices).set({ status: 'revoked' }).where(eq(devices.id, id))
    events.push(...(await endSessions(tx, eq(sessions.deviceId, id))))
  }
  await requireRekey(tx, userId)
  events.push({
    type: 'device.chain',
    data: { userId, username: after.user, sequence: after.sequence, statement: signed },
    to: { contactsOf: userId }
  })
  await appendEvents(tx, events)
}

/** Bind a session without a device to the one that it has just added. */
export async function bindSession(tx: Tx, sessionId: string, deviceId: string): Promise<void> {
  await tx.update(sessions).set({ deviceId }).where(eq(sessions.id, sessionId))
}

/** Delete the other pending devices after a reset: no device is left that could approve them. */
export async function dropPending(tx: Tx, userId: string, except: string): Promise<void> {
  await tx
    .delete(devices)
    .where(and(eq(devices.userId, userId), eq(devices.status, 'pending'), ne(devices.id, except)))
}
