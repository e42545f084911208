import { problems } from './problems.js'

/** The rules of the protocol that a statement can break. Each has an entry of the same name in `problems`. */
export type RuleCode =
  | 'already-member'
  | 'ambiguous-key'
  | 'conversation-full'
  | 'device-not-found'
  | 'forbidden'
  | 'id-conflict'
  | 'invalid-signature'
  | 'invalid-statement'
  | 'key-in-use'
  | 'key-required'
  | 'last-admin'
  | 'not-a-member'
  | 'not-admin'
  | 'not-in-roster'
  | 'root-changed'
  | 'stale-chain'
  | 'stale-roster'
  | 'too-many-devices'
  | 'too-many-members'
  | 'too-many-statements'
  | 'user-not-found'

/**
 * A statement breaks a rule of the protocol. The server translates this to the problem with the same code. A
 * client that gets such a statement distrusts the server.
 */
export class RuleViolation extends Error {
  readonly code: RuleCode
  /** How the statement breaks the rule; undefined if the code says it all. */
  readonly detail: string | undefined

  constructor(code: RuleCode, detail?: string) {
    super(detail ?? problems[code][1])
    this.name = 'RuleViolation'
    this.code = code
    this.detail = detail
  }
}
