import { parseStatement, PROTOCOL, type MemberLine, type Statement } from './statements.js'

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
        ['signing-key', statement.signingKey],
        ['encryption-key', statement.encryptionKey],
        ['encryption-version', statement.encryptionVersion]
      ]
    case 'device-revoke':
      return [['user', statement.user], ...link(statement), ['device', statement.device]]
    case 'conversation-create':
      return change(statement, [['kind', statement.conversationKind], ...statement.members.map(member)])
    case 'conversation-add':
    case 'conversation-role':
      return change(statement, [member(statement.member)])
    case 'conversation-remove':
      return change(statement, [['member', statement.username]])
    case 'conversation-leave':
      return change(statement, [])
    case 'session-key':
      return [
        ['conversation', statement.conversation],
        ['session-key', statement.sessionKey],
        ['head', statement.head],
        ['commitment', statement.commitment],
        ['roster', statement.roster],
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
