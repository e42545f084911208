import { chainRequests } from '../../protocol/chain-requests.js'
import type { ChainRequest, ConversationChain, Link } from '../../protocol/conversation-chain.js'
import type { ConversationHistory } from '../../protocol/conversation-history.js'
import { parseStatement } from '../../protocol/parse-statement.js'
import { rosterText } from '../../protocol/roster.js'
import type { SignedStatement } from '../../protocol/schema.js'
import type { ChainKey } from '../../protocol/conversation-chain.js'
import { sha256Hex } from '../../crypto/hash.js'
import { statementHash, verifyStatement } from '../../crypto/statements.js'
import { Turns } from '../../crypto/turns.js'
import type { CryptoKey } from '../../crypto/web-crypto.js'
import { toUntrusted, untrusted } from '../errors.js'
import type { KnownUsers } from './chain-users.js'

export const CONVERSATION_STATEMENTS = [
  'conversation-create',
  'conversation-add',
  'conversation-role',
  'conversation-renew',
  'conversation-remove',
  'conversation-leave',
  'conversation-timer',
  'conversation-key'
] as const

/** A request of a chain, with its texts as they were signed. */
export interface ServedRequest {
  request: ChainRequest
  items: readonly SignedStatement[]
}

/**
 * Divide the statements that a server shows into requests. Nothing is verified yet.
 *
 * @throws {RuleViolation} `invalid-statement`; `key-required` if the last changes have no key behind them
 */
export async function readRequests(items: readonly SignedStatement[]): Promise<ServedRequest[]> {
  const turns = new Turns()
  const links: Link[] = []
  for (const { text } of items) {
    links.push({ statement: parseStatement(text, CONVERSATION_STATEMENTS), hash: await statementHash(text) })
    await turns.next()
  }
  let at = 0
  return chainRequests(links).map((request) => {
    const size = linksOf(request).length
    at += size
    return { request, items: items.slice(at - size, at) }
  })
}

export function linksOf(request: ChainRequest): readonly Link[] {
  return 'leave' in request ? [request.leave] : [...request.changes, request.key]
}

/** The same for a chain as it is served. @throws {ChatError} `untrusted` */
export async function readServed(items: readonly SignedStatement[]): Promise<ServedRequest[]> {
  try {
    return await readRequests(items)
  } catch (error) {
    throw toUntrusted(error, 'A conversation’s chain')
  }
}

/**
 * Verify the signatures of a request, and apply it to the conversation (docs/protocol.md, "A conversation's
 * chain"). The device that a statement names in `by` is its only signer.
 *
 * @param signingKey gives the public key of a device of a verified user chain
 * @returns the chain after the request
 * @throws {CryptoError} `bad-signature`; {RuleViolation} the rule that it breaks; {ChatError} as
 *   `KnownUsers.at`
 */
export async function applyRequest(
  history: ConversationHistory,
  { request, items }: ServedRequest,
  users: KnownUsers,
  signingKey: (fingerprint: string) => Promise<CryptoKey>
): Promise<ConversationChain> {
  for (const [at, { statement }] of linksOf(request).entries()) {
    if (users.owners(statement.by).length === 0)
      throw untrusted('ghost-member', 'A statement of the chain is not signed by a member.')
    await verifyStatement(items[at]!, new Map([[statement.by, await signingKey(statement.by)]]))
  }
  const after = history.next(request, users)
  history.append(request, after)
  return after
}

/**
 * The roster of a session key as the chains give it has to be the one that its maker has signed.
 *
 * @throws {ChatError} `wrong-roster` (`untrusted`)
 */
export async function requireRoster(
  history: ConversationHistory,
  key: ChainKey,
  users: KnownUsers
): Promise<void> {
  if ((await sha256Hex(rosterText(history.rosterOf(key, users)))) !== key.roster)
    throw untrusted('wrong-roster', `${key.username} has signed another roster than the chains give.`)
}
