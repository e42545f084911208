import { problems } from './problems.js'

/** The rules of the protocol that a statement can break. Each has an entry of the same name in `problems`. */
export type RuleCode =
  | 'already-member'
  | 'device-not-found'
  | 'forbidden'
  | 'id-conflict'
  | 'invalid-signature'
  | 'invalid-statement'
  | 'not-a-member'
  | 'not-admin'
  | 'root-changed'
  | 'stale-chain'
  | 'too-many-members'
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
