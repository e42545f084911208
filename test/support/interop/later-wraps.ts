import { parseStatement, requireSignature, value, type KnownKeys, type Statement } from './chains.js'
import type { ChainKey } from './conversation-chain.js'
import { sha256Hex, unbase64, type DeviceKeys } from './crypto.js'
import { check, Refused } from './refused.js'
import type { ChainDevice, UserChain } from './user-chain.js'
import { unwrap } from './wraps.js'

interface LaterWrap {
  readonly wrappedKey: string
  readonly statement: Statement
}

const MAX_LATER_WRAPS = 16

/** The later wraps that count: those whose statement is by a `chat` device of the own user, now or once. */
export function laterWraps(
  conversationId: string,
  key: ChainKey,
  added: readonly LaterWrap[],
  reader: string,
  own: UserChain,
  known: KnownKeys
): string[] {
  check(added.length <= MAX_LATER_WRAPS, `${added.length} later wraps`)
  const adders = [...own.ever.values()].filter(({ purpose }) => purpose === 'chat')
  return added.flatMap(({ wrappedKey, statement }) => {
    const parsed = parseStatement(statement.text)
    if (parsed.kind !== 'wrap-added') return []
    const by = value(parsed, 'by')
    const due = [conversationId, key.hash, reader, sha256Hex(unbase64(wrappedKey)), by]
    if (parsed.lines.map(([, line]) => line).join() !== due.join()) return []
    if (!adders.some(({ signingFp }) => signingFp === by)) return []
    requireSignature(statement, by, known)
    return [wrappedKey]
  })
}

/**
 * The session key, from the maker's wrap or a later one; the commitment decides.
 *
 * @param line the own line in the roster of the key, for which the maker's wrap was made
 * @throws Refused if none opens
 */
export function openWrap(
  key: ChainKey,
  ownKeys: readonly DeviceKeys[],
  line: ChainDevice | undefined,
  wrappedKey: string | undefined,
  later: readonly string[]
): Buffer {
  const atLine = ownKeys.filter((keys) => keys.encryptionFp === line?.encryptionFp)
  const attempts = [
    ...(wrappedKey === undefined ? [] : atLine.map((keys) => [keys, wrappedKey] as const)),
    ...later.flatMap((one) => ownKeys.map((keys) => [keys, one] as const))
  ]
  for (const [keys, one] of attempts) {
    try {
      return unwrap(keys, key, one)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
    }
  }
  throw new Refused(`a session key that no key of this device opens`)
}
