import { MAX_USER_STATEMENTS } from '../../protocol/accounts.js'
import type { StatementKeys } from '../../protocol/devices.js'
import { parseStatement } from '../../protocol/parse-statement.js'
import type { SignedStatement } from '../../protocol/schema.js'
import type { UserStatement } from '../../protocol/statements.js'
import type { Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import type { PublicKeys } from './public-keys.js'
import { readStatements } from './user-record.js'
import { USER_STATEMENTS } from './verify-user-chain.js'

type Binding = Exclude<UserStatement, { kind: 'device-revoke' }>

/**
 * Give a server that was restored from a backup the statements of a user's chain that it lacks, as far as the
 * public keys that they bind are known here.
 *
 * @param after sequence of the last statement that the server has
 * @returns whether the server was given any
 */
export async function returnStatements(
  api: Api,
  store: Store,
  keys: PublicKeys,
  username: string,
  after: number
): Promise<boolean> {
  const missing = await readStatements(store, username, after)
  const path = `/v1/users/${encodeURIComponent(username)}/chain`
  let given = 0
  while (given < missing.length) {
    const next = untilReset(missing.slice(given, given + MAX_USER_STATEMENTS))
    const batch = await largestBatch(next, keys)
    if (batch === null) break
    await api.call({ method: 'POST', path, body: batch })
    given += batch.statements.length
  }
  return given > 0
}

/** The server takes a reset from its own user only, who has just used the password. */
function untilReset(statements: SignedStatement[]): SignedStatement[] {
  const isReset = ({ text }: SignedStatement) => parseStatement(text, USER_STATEMENTS).kind === 'device-reset'
  const at = statements.findIndex((signed, index) => index > 0 && isReset(signed))
  return at === -1 ? statements : statements.slice(0, at)
}

interface Batch {
  statements: SignedStatement[]
  keys: StatementKeys[]
}

/** As many of the statements, from the first one, as there are keys for; null if there are none. */
async function largestBatch(statements: readonly SignedStatement[], keys: PublicKeys): Promise<Batch | null> {
  for (let count = statements.length; count > 0; count--) {
    const batch = statements.slice(0, count)
    const bound = await boundKeys(batch, keys)
    if (bound !== null) return { statements: batch, keys: bound }
  }
  return null
}

/**
 * The public keys of the devices that the statements bind: all of them, or only the signing key of a device that
 * they retire. Null if one is not known.
 */
async function boundKeys(
  statements: readonly SignedStatement[],
  keys: PublicKeys
): Promise<StatementKeys[] | null> {
  const active = new Map<string, Binding>()
  const retired = new Map<string, Binding>()
  const retire = (device: string): void => {
    const binding = active.get(device)
    if (binding !== undefined) retired.set(device, binding)
    active.delete(device)
  }
  for (const { text } of statements) {
    const statement = parseStatement(text, USER_STATEMENTS)
    if (statement.kind === 'device-revoke') retire(statement.device)
    else {
      if (statement.kind === 'device-reset') [...active.keys()].forEach(retire)
      active.set(statement.device, statement)
    }
  }
  const found = await Promise.all([
    ...[...active.values()].map((binding) => allKeys(binding, keys)),
    ...[...retired.values()].map((binding) => signingKeyOnly(binding, keys))
  ])
  return found.every((one) => one !== null) ? found : null
}

async function allKeys(
  { device, signingKey, encryptionKey, kemKey }: Binding,
  keys: PublicKeys
): Promise<StatementKeys | null> {
  const textOf = async (print: string) => (print === '-' ? undefined : keys.text(print))
  const [signing, encryption, kem] = await Promise.all([signingKey, encryptionKey, kemKey].map(textOf))
  if (signing === undefined || encryption === undefined) return null
  if (kemKey === '-') return { device, signingKey: signing, encryptionKey: encryption }
  return kem === undefined ? null : { device, signingKey: signing, encryptionKey: encryption, kemKey: kem }
}

async function signingKeyOnly(
  { device, signingKey: print }: Binding,
  keys: PublicKeys
): Promise<StatementKeys | null> {
  const signingKey = await keys.text(print)
  return signingKey === undefined ? null : { device, signingKey }
}
