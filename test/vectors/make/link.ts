import { signStatement, statementHash, type Signer } from '../../../src/crypto/statements.js'
import type { SignedStatement } from '../../../src/protocol/schema.js'
import { statementText } from '../../../src/protocol/statement-texts.js'
import type { ConversationStatement, UserStatement } from '../../../src/protocol/statements.js'

/** A statement without its place in the chain. */
export type Unlinked<S extends UserStatement | ConversationStatement> = S extends unknown
  ? Omit<S, 'sequence' | 'previous'>
  : never

/** Where a chain has got to. */
export interface Place {
  sequence: number
  head: string
}

export const start: Place = { sequence: 0, head: '-' }

/** Sign a statement at the place that it takes in its chain, or at the one that it claims. */
export async function link(
  statement: Unlinked<UserStatement> | Unlinked<ConversationStatement>,
  signers: readonly Signer[],
  at: Place,
  claimed: Partial<{ sequence: number; previous: string }> = {}
): Promise<{ signed: SignedStatement; place: Place }> {
  const sequence = at.sequence + 1
  const text = statementText({ ...statement, sequence, previous: at.head, ...claimed })
  const signed = await signStatement(text, ...signers)
  return { signed, place: { sequence, head: await statementHash(text) } }
}
