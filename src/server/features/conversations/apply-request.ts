import type { ChainReceipt } from '../../../protocol/conversations.js'
import type { DeviceSession } from '../../access/auth.js'
import type { Spend } from '../../access/daily-budget.js'
import { readSigningDevice } from '../../chains/signing-device.js'
import { holdUserChains } from '../../chains/user-chain-lock.js'
import type { Tx } from '../../db/database.js'
import { Problem } from '../../http/problem.js'
import { findReceipt } from './find-receipt.js'
import { requireContact, type ContactRules } from './first-contact.js'
import { judge, type Judged } from './judge.js'
import { readCurrentUsers, type KnownUsers } from './read-current-users.js'
import { explained } from './refusals.js'
import type { ParsedRequest } from './request.js'
import { isKeyDue, requireSpareKey, type SpareKeys } from './spare-keys.js'
import { storeRequest } from './store-request.js'
import { lockChain, type StoredChain } from './stored-chain.js'
import { requireUnique } from './unique-key.js'

/**
 * Judge a request whose signatures are verified, and write it. From judging to the end of the transaction no
 * user's chain changes, and not this conversation's. So nothing gets a position behind a statement that makes it
 * invalid.
 */
export async function applyRequest(
  tx: Tx,
  session: DeviceSession,
  parsed: ParsedRequest,
  { spareKeys, contact }: { spareKeys: SpareKeys; contact: ContactRules },
  spend: Spend
): Promise<ChainReceipt> {
  await holdUserChains(tx)
  const stored = await lockChain(tx, parsed.conversationId)
  // The first try may have committed while this one waited for the lock.
  const repeated = await findReceipt(tx, session, parsed)
  if (repeated !== null) return repeated
  requirePlace(session, stored, parsed)
  const device = await readSigningDevice(tx, session)
  const known = await readCurrentUsers(tx, session, device, stored, parsed)
  const judged = await judgeOrExplain(tx, session, stored, known, parsed)
  const isDue = isKeyDue(stored, parsed)
  if (!isDue) await requireSpareKey(tx, session, parsed, spareKeys)
  const uniqueKey = stored === null ? await requireUnique(tx, judged.chain, known.users) : null
  const requested = await requireContact(tx, session, stored, known, judged, contact, spend)
  const lastPosition = await storeRequest(tx, {
    session,
    stored,
    users: known.users,
    parsed,
    judged,
    uniqueKey,
    isDue,
    requested
  })
  const { head, sequence } = judged.chain
  return { head, sequence, lastPosition }
}

/** @throws {Problem} `conversation-not-found`, or `id-conflict` for a new conversation under a known id */
function requirePlace(
  { username }: DeviceSession,
  stored: StoredChain | null,
  { creates }: ParsedRequest
): void {
  if (creates && stored !== null) throw new Problem('id-conflict')
  if (!creates && stored?.members.has(username) !== true) throw new Problem('conversation-not-found')
}

async function judgeOrExplain(
  tx: Tx,
  { userId }: DeviceSession,
  stored: StoredChain | null,
  known: KnownUsers,
  parsed: ParsedRequest
): Promise<Judged> {
  try {
    return judge(stored, known, parsed)
  } catch (error) {
    throw await explained(tx, stored, userId, parsed, error)
  }
}
