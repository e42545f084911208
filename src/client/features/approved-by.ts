import { parseStatement } from '../../protocol/parse-statement.js'
import type { SignedStatement } from '../../protocol/schema.js'
import type { UserHistory } from '../../protocol/user-history.js'
import { USER_STATEMENTS } from '../identity/verify-user-chain.js'

/**
 * The active devices that a device has approved, and those that they have approved in turn.
 *
 * @param statements of the user's verified chain
 * @returns ids of devices
 */
export function approvedBy(
  { chain, devices }: UserHistory,
  statements: readonly SignedStatement[],
  deviceId: string
): Set<string> {
  const suspects = new Set(
    [...devices.values()].filter(({ id }) => id === deviceId).map(({ signingKey }) => signingKey)
  )
  const found = new Set<string>()
  for (const { text, signatures } of statements) {
    const statement = parseStatement(text, USER_STATEMENTS)
    if (statement.kind !== 'device-add') continue
    const { device, signingKey } = statement
    if (!Object.keys(signatures).some((signer) => signer !== signingKey && suspects.has(signer))) continue
    suspects.add(signingKey)
    if (chain.devices.has(device)) found.add(device)
  }
  return found
}
