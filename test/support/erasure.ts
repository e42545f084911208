import { signed, statementHash, statementText, type Statement } from './interop/chains.js'
import type { InteropClient } from './interop/client.js'
import type { Answer } from './interop/http.js'

/** Statements that revoke devices one after the other, signed by the device of this client. */
export async function revocations(of: InteropClient, deviceIds: readonly string[]): Promise<Statement[]> {
  const { sequence, head } = await of.user(of.username)
  const statements: Statement[] = []
  let previous = head
  for (const [n, device] of deviceIds.entries()) {
    const text = statementText('device-revoke', [
      ['user', of.username],
      ['sequence', sequence + 1 + n],
      ['previous', previous],
      ['device', device]
    ])
    const statement = signed(text, of.keys)
    statements.push(statement)
    previous = statementHash(statement)
  }
  return statements
}

/** The user erases the account: all devices, the own one last. */
export async function erase(
  of: InteropClient,
  { password = of.password, headers = {} }: { password?: string; headers?: Record<string, string> } = {}
): Promise<Answer<unknown>> {
  const { active } = await of.user(of.username)
  const others = [...active.keys()].filter((id) => id !== of.deviceId)
  const body = { password, statements: await revocations(of, [...others, of.deviceId]) }
  return of.raw('POST', '/v1/users/me/erasure', { body, headers })
}
