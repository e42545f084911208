import { and, eq, sql } from 'drizzle-orm'
import type { UserStatements } from '../../../protocol/accounts.js'
import { parseStatement } from '../../../protocol/parse-statement.js'
import type { UserChain } from '../../../protocol/user-chain.js'
import { lockOwnAccount } from '../../access/accounts.js'
import { requireReset } from '../../access/auth.js'
import type { ActiveSession } from '../../access/sessions.js'
import { requireCapacity, requireDailyBounds } from '../../chains/chain-bounds.js'
import { readSigningKey, verifySignatures } from '../../chains/public-keys.js'
import { applyChain, extended, refuseStale } from '../../chains/user-chain-changes.js'
import {
  lockUser,
  readUser,
  requireLine,
  type StoredUser,
  type UserLink
} from '../../chains/user-chain-store.js'
import { findUser } from '../../chains/users.js'
import type { Config } from '../../config.js'
import type { Tx } from '../../db/database.js'
import { userStatements } from '../../db/schema.js'
import { Problem } from '../../http/problem.js'
import { transaction } from '../../log/append-events.js'
import type { Services } from '../../services.js'
import { requireKeys, restoreDevices, type GivenKeys } from './restore-devices.js'

const KINDS = ['device-add', 'device-rekey', 'device-reset', 'device-revoke'] as const

/**
 * Continue a user's chain with statements that its devices have signed, all or none. Those that are in the
 * chain already are skipped.
 *
 * @returns the chain, and whether it has grown
 * @throws {Problem} as the calls that take such statements one by one
 */
export async function continueChain(
  { config: { devices: config }, db, log }: Pick<Services, 'config' | 'db' | 'log'>,
  session: ActiveSession,
  username: string,
  body: UserStatements
): Promise<{ chain: UserChain; grown: boolean }> {
  const links = body.statements.map((signed) => ({ statement: parseStatement(signed.text, KINDS), signed }))
  for (const { statement } of links) requireLine('user', statement.user, username)
  const keys = new Map(body.keys.map((given) => [given.device, given]))
  if (keys.size < body.keys.length)
    throw new Problem('invalid-request', 'There are two entries for the same device in `keys`.')
  // Judged before the user is locked: nobody holds up a user with statements that do not follow.
  const judged = await db.transaction(
    async (tx) => {
      const row = await findUser(tx, username)
      if (row === null) throw new Problem('user-not-found')
      return judge(tx, config, await readUser(tx, row), links, keys)
    },
    { isolationLevel: 'repeatable read', accessMode: 'read only' }
  )
  if (judged.added.length === 0) return { chain: judged.chain, grown: false }
  const isReset = judged.added.some(({ statement }) => statement.kind === 'device-reset')
  if (isReset) requireReset(session, username)
  return transaction({ db, log }, async (tx) => {
    if (isReset) await lockOwnAccount(tx, session)
    const user = await lockUser(tx, judged.userId)
    const { chain, added } = await judge(tx, config, user, links, keys)
    if (added.length === 0) return { chain, grown: false }
    await requireDailyBounds(
      tx,
      user.id,
      config,
      added.map(({ statement }) => statement)
    )
    await restoreDevices(tx, config, user, chain, added, keys)
    await applyChain(tx, user, chain, added)
    return { chain, grown: true }
  })
}

/** Apply the statements that are not in the chain yet. */
async function judge(
  tx: Tx,
  config: Config['devices'],
  user: StoredUser,
  links: readonly UserLink[],
  keys: GivenKeys
): Promise<{ userId: string; chain: UserChain; added: UserLink[] }> {
  const added = await withoutKnown(tx, user, links)
  const known = new Map(user.keys)
  let { chain } = user
  for (const link of added) {
    const { statement, signed } = link
    const may = new Set([...chain.devices.values()].map(({ signingKey }) => signingKey))
    if (statement.kind === 'device-add' || statement.kind === 'device-reset') {
      const signing = readSigningKey(requireKeys(keys, statement).signingKey)
      requireLine('signing-key', statement.signingKey, signing.fingerprint)
      known.set(signing.fingerprint, signing.key)
      may.add(signing.fingerprint)
    }
    const signers = verifySignatures(signed, new Map([...known].filter(([print]) => may.has(print))))
    chain = await extended(tx, user, chain, link, signers)
    if (statement.kind === 'device-add') requireCapacity(config, chain)
  }
  return { userId: user.id, chain, added }
}

/** @throws {Problem} `stale-chain` if the chain has another statement in the place of one of these */
async function withoutKnown(tx: Tx, user: StoredUser, links: readonly UserLink[]): Promise<UserLink[]> {
  const { sequence } = user.chain
  const past = links.filter(({ statement }) => statement.sequence <= sequence)
  const rows = await tx
    .select({ sequence: userStatements.sequence, text: userStatements.text })
    .from(userStatements)
    .where(
      and(
        eq(userStatements.userId, user.id),
        sql`${userStatements.sequence} = any(${sql.param(past.map(({ statement }) => statement.sequence))}::int[])`
      )
    )
  const texts = new Map(rows.map((row) => [row.sequence, row.text]))
  const other = past.find(({ statement, signed }) => texts.get(statement.sequence) !== signed.text)
  if (other !== undefined) await refuseStale(tx, user, other.statement)
  return links.filter(({ statement }) => statement.sequence > sequence)
}
