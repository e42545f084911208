import { parseStatement } from './parse-statement.js'
import { PROTOCOL, type MemberLine, type StateLine, type Statement } from './statements.js'

type Line = readonly [name: string, value: string | number]

/**
 * The text of a statement, to be signed. The inverse of `parseStatement`.
 *
 * @throws {RuleViolation} `invalid-statement` if a field is malformed: an invalid text is never signed
 */
export function statementText(statement: Statement): string {
  const body = lines(statement).map(([name, value]) => `${name} ${value}\n`)
  const text = `${PROTOCOL} ${statement.kind}\n${body.join('')}`
  parseStatement(text, [statement.kind])
  return text
}

function lines(statement: Statement): Line[] {
  switch (statement.kind) {
    case 'device-add':
    case 'device-rekey':
    case 'device-reset':
      return [
        ['user', statement.user],
        ...link(statement),
        ['device', statement.device],
        ['purpose', statement.purpose],
        ['signing-key', statement.signingKey],
        ['encryption-key', statement.encryptionKey],
        ['kem-key', statement.kemKey],
        ['encryption-version', statement.encryptionVersion]
      ]
    case 'device-revoke':
      return [['user', statement.user], ...link(statement), ['device', statement.device]]
    case 'conversation-create':
      return change(statement, [['kind', statement.conversationKind], ...statement.members.map(member)])
    case 'conversation-add':
    case 'conversation-role':
    case 'conversation-renew':
      return change(statement, [member(statement.member)])
    case 'conversation-remove':
      return change(statement, [['member', statement.username]])
    case 'conversation-leave':
      return change(statement, [])
    case 'conversation-timer':
      return change(statement, [['message-ttl', statement.messageTtl]])
    case 'conversation-key':
      return change(statement, [
        ['session-key', statement.sessionKey],
        ['commitment', statement.commitment],
        ...statement.state.map(state),
        ['roster', statement.roster]
      ])
    case 'wrap-added':
      return [
        ['conversation', statement.conversation],
        ['key', statement.key],
        ['reader', statement.reader],
        ['wrap', statement.wrap],
        ['by', statement.by]
      ]
    case 'device-login':
      return [
        ['server', statement.server],
        ['user', statement.user],
        ['device', statement.device],
        ['nonce', statement.nonce],
        ['by', statement.by]
      ]
  }
}

function link({ sequence, previous }: { sequence: number; previous: string }): Line[] {
  return [
    ['sequence', sequence],
    ['previous', previous]
  ]
}

function change(
  statement: { conversation: string; sequence: number; previous: string; by: string },
  lines: readonly Line[]
): Line[] {
  return [['conversation', statement.conversation], ...link(statement), ...lines, ['by', statement.by]]
}

function member({ username, role, root }: MemberLine): Line {
  return ['member', `${username} ${role} ${root}`]
}

function state({ username, sequence, head }: StateLine): Line {
  return ['state', `${username} ${sequence} ${head}`]
}
