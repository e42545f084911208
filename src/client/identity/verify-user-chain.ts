import { parseStatement } from '../../protocol/parse-statement.js'
import { RuleViolation } from '../../protocol/rule-violation.js'
import type { SignedStatement } from '../../protocol/schema.js'
import type { UserStatement } from '../../protocol/statements.js'
import { extendUserHistory, type UserHistory } from '../../protocol/user-history.js'
import { importSigningKey } from '../../crypto/keys.js'
import { statementHash, verifyStatement } from '../../crypto/statements.js'
import { Turns } from '../../crypto/turns.js'
import type { CryptoKey } from '../../crypto/web-crypto.js'

export const USER_STATEMENTS = ['device-add', 'device-rekey', 'device-revoke', 'device-reset'] as const

/** A statement of a user's chain whose place and signatures were verified. */
export interface VerifiedStatement {
  signed: SignedStatement
  statement: UserStatement
  hash: string
}

/**
 * Verify the statements that follow a user's chain (docs/protocol.md, "A user's chain"). No input or output;
 * other work runs in between.
 *
 * @param before null if the statements begin the chain
 * @param keys public signing keys in PEM by their fingerprints, which the caller has computed
 * @returns the history, null without any statement, and the statements that are new
 * @throws {RuleViolation} the rule that a statement breaks; {CryptoError} if a key or a signature is bad
 */
export async function verifyUserChain(
  username: string,
  before: UserHistory | null,
  statements: readonly SignedStatement[],
  keys: ReadonlyMap<string, string>
): Promise<{ history: UserHistory | null; added: VerifiedStatement[] }> {
  const turns = new Turns()
  const imported = new Map<string, CryptoKey>()
  const added: VerifiedStatement[] = []
  let history = before
  for (const signed of statements) {
    const statement = parseStatement(signed.text, USER_STATEMENTS)
    if (statement.user !== username)
      throw new RuleViolation('invalid-statement', `The statement must name the user ${username}.`)
    const signers = await verifyStatement(signed, await signingKeys(signed, statement, history))
    const hash = await statementHash(signed.text)
    history = extendUserHistory(history, statement, hash, signers)
    added.push({ signed, statement, hash })
    await turns.next()
  }
  return { history, added }

  /** The keys that may sign the statement: of active devices, and its own. */
  async function signingKeys(
    { signatures }: SignedStatement,
    statement: UserStatement,
    after: UserHistory | null
  ): Promise<Map<string, CryptoKey>> {
    const found = new Map<string, CryptoKey>()
    for (const print of Object.keys(signatures)) {
      const isOwn = 'signingKey' in statement && statement.signingKey === print
      const pem = keys.get(print)
      if (pem === undefined || !(isOwn || after?.devices.get(print)?.retired === null)) continue
      const key = imported.get(print) ?? (await importSigningKey(pem))
      imported.set(print, key)
      found.set(print, key)
    }
    return found
  }
}
