import type { ChainRequest, Link } from '../../../protocol/conversation-chain.js'
import { chainRequests } from '../../../protocol/chain-requests.js'
import type { NewSessionKey, Wrap } from '../../../protocol/conversations.js'
import { parseStatement } from '../../../protocol/parse-statement.js'
import { RuleViolation } from '../../../protocol/rule-violation.js'
import type { SignedStatement } from '../../../protocol/schema.js'
import type { ChangeStatement } from '../../../protocol/statements.js'
import { sha256Hex } from '../../chains/public-keys.js'
import { requireSigned, type SigningDevice } from '../../chains/signing-device.js'
import { requireLine } from '../../chains/user-chain-store.js'
import { Problem } from '../../http/problem.js'

/** A request to a conversation's chain. Its signatures are not verified yet. */
export interface ParsedRequest {
  conversationId: string
  /** Whether it is to create the conversation. */
  creates: boolean
  request: ChainRequest
  links: readonly Link[]
  /** The statements of `links` as they were signed. */
  statements: readonly SignedStatement[]
  /** By device id. */
  wraps: ReadonlyMap<string, string>
}

export interface RequestBody {
  /** Whether it is to create the conversation. */
  creates: boolean
  statements: readonly SignedStatement[]
  key?: NewSessionKey
}

const CHANGES = [
  'conversation-add',
  'conversation-role',
  'conversation-renew',
  'conversation-remove',
  'conversation-leave',
  'conversation-timer'
] as const satisfies readonly ChangeStatement['kind'][]

/**
 * @throws {RuleViolation} `invalid-statement` or `key-required`
 * @throws {Problem} `invalid-request` for two wraps of one device
 */
export function readRequest(
  conversationId: string,
  { creates, statements, key }: RequestBody
): ParsedRequest {
  const kinds = creates ? (['conversation-create', ...CHANGES] as const) : CHANGES
  const links: Link[] = statements.map(({ text }) => ({
    statement: parseStatement(text, kinds),
    hash: sha256Hex(text)
  }))
  if (key !== undefined) {
    const statement = parseStatement(key.statement.text, ['conversation-key'])
    requireLine('session-key', statement.sessionKey, key.id)
    links.push({ statement, hash: sha256Hex(key.statement.text) })
  }
  for (const { statement } of links) requireLine('conversation', statement.conversation, conversationId)
  const [request, ...more] = chainRequests(links)
  if (request === undefined || more.length > 0)
    throw new RuleViolation(
      'invalid-statement',
      'A request is changes with the key that follows them, or one `conversation-leave`.'
    )
  return {
    conversationId,
    creates,
    request,
    links,
    statements: key === undefined ? statements : [...statements, key.statement],
    wraps: readWraps(key?.wraps ?? [])
  }
}

function readWraps(wraps: readonly Wrap[]): Map<string, string> {
  const byDevice = new Map(wraps.map(({ deviceId, wrappedKey }) => [deviceId, wrappedKey]))
  if (byDevice.size < wraps.length)
    throw new Problem('invalid-request', 'There are two wraps for the same device in `wraps`.')
  return byDevice
}

/** @throws {RuleViolation} `invalid-statement` or `invalid-signature` unless the device signed the whole request */
export function requireSignedBy(device: SigningDevice, { links, statements }: ParsedRequest): void {
  for (const [n, { statement }] of links.entries()) requireSigned(device, statement.by, statements[n]!)
}
