import { eq, inArray } from 'drizzle-orm'
import { CHAIN_PAGE } from '../../protocol/accounts.js'
import { RuleViolation } from '../../protocol/rule-violation.js'
import type { UserStatement } from '../../protocol/statements.js'
import { extendUserChain, type UserChain } from '../../protocol/user-chain.js'
import { endSessions } from '../access/sessions.js'
import type { Db, Tx } from '../db/database.js'
import { devices, sessions, users } from '../db/schema.js'
import { Problem } from '../http/problem.js'
import { appendEvents, type NewEvent } from '../log/append-events.js'
import { sha256Hex } from './public-keys.js'
import { ADDED_DEVICE_MINUTES, requireRekey } from './rosters.js'
import {
  insertUserStatements,
  readUserStatements,
  type StoredUser,
  type UserLink
} from './user-chain-store.js'

/**
 * A chain with one more statement.
 *
 * @param user whose chain it continues, as it is stored
 * @throws {Problem} `stale-chain` with the newer statements
 */
export async function extended(
  db: Db,
  user: StoredUser,
  chain: UserChain,
  { statement, signed }: UserLink,
  signers: ReadonlySet<string>
): Promise<UserChain> {
  try {
    return extendUserChain(chain, statement, sha256Hex(signed.text), signers)
  } catch (error) {
    if (error instanceof RuleViolation && error.code === 'stale-chain')
      return refuseStale(db, user, statement)
    throw error
  }
}

/** @throws {Problem} `stale-chain` with the first page of what the chain has from the statement's place on */
export async function refuseStale(
  db: Db,
  { id, chain: { head, sequence } }: StoredUser,
  statement: UserStatement
): Promise<never> {
  const after = Math.min(statement.sequence, sequence) - 1
  const { items: statements, next } = await readUserStatements(db, id, after, CHAIN_PAGE)
  throw new Problem('stale-chain', undefined, { head, sequence, statements, next })
}

/** Write the effects of valid statements, and append their events. */
export async function applyChain(...change: Parameters<typeof changeChain>): Promise<void> {
  await appendEvents(change[0], await changeChain(...change))
}

/**
 * Write the effects of valid statements: the chain, the end of devices and their sessions, and the session keys that
 * are out of date. The caller writes the rows of new and changed devices before.
 *
 * @returns the events to append
 */
export async function changeChain(
  tx: Tx,
  before: StoredUser,
  after: UserChain,
  links: readonly UserLink[]
): Promise<NewEvent[]> {
  const { id: userId } = before
  await insertUserStatements(tx, userId, links)
  await tx
    .update(users)
    .set({ chainSequence: after.sequence, chainHead: after.head, root: after.root })
    .where(eq(users.id, userId))
  const events: NewEvent[] = []
  const gone = [...after.retired.keys()].filter((id) => !before.chain.retired.has(id))
  if (gone.length > 0) {
    await tx.update(devices).set({ status: 'revoked' }).where(inArray(devices.id, gone))
    events.push(...(await endSessions(tx, inArray(sessions.deviceId, gone))))
  }
  const kinds: ReadonlySet<UserStatement['kind']> = new Set(links.map(({ statement }) => statement.kind))
  const onlyAdded = kinds.size === 1 && kinds.has('device-add')
  await requireRekey(tx, userId, onlyAdded ? { afterMinutes: ADDED_DEVICE_MINUTES } : {})
  for (const { statement, signed } of links)
    events.push({
      type: 'device.chain',
      data: { userId, username: after.user, sequence: statement.sequence, statement: signed },
      to: { contactsOf: userId }
    })
  return events
}
