import { parseStatement } from '../../protocol/parse-statement.js'
import type { SignedStatement } from '../../protocol/schema.js'
import { extendUserHistory, type UserHistory } from '../../protocol/user-history.js'
import { Turns } from '../../crypto/turns.js'
import type { StoreReader, StoreTransaction } from '../stores/store.js'
import { USER_STATEMENTS, type VerifiedStatement } from './verify-user-chain.js'

/** Where a stored chain ends. Each of its statements has an entry of its own, so that a new one costs no more. */
type StoredEnd = { sequence: number; head: string }
type StoredStatement = {
  text: string
  signatures: Record<string, string>
  hash: string
}

export function readEnd(reader: StoreReader, username: string): Promise<StoredEnd | undefined> {
  return reader.get<StoredEnd>(endName(username))
}

/** The hash of a stored statement. */
export async function readHash(
  reader: StoreReader,
  username: string,
  sequence: number
): Promise<string | undefined> {
  return (await reader.get<StoredStatement>(statementName(username, sequence)))?.hash
}

/** A user's chain as it was verified and stored; undefined if there is none. */
export async function readHistory(reader: StoreReader, username: string): Promise<UserHistory | undefined> {
  let history: UserHistory | null = null
  const turns = new Turns()
  for (const { text, signatures, hash } of await readStored(reader, username, 0)) {
    const signers = new Set(Object.keys(signatures))
    history = extendUserHistory(history, parseStatement(text, USER_STATEMENTS), hash, signers)
    await turns.next()
  }
  return history ?? undefined
}

/** The signed statements of a stored chain after statement `after`. */
export async function readStatements(
  reader: StoreReader,
  username: string,
  after: number
): Promise<SignedStatement[]> {
  const stored = await readStored(reader, username, after)
  return stored.map(({ text, signatures }) => ({ text, signatures }))
}

export function saveStatements(
  tx: StoreTransaction,
  username: string,
  added: readonly VerifiedStatement[]
): void {
  for (const { signed, statement, hash } of added)
    tx.set(statementName(username, statement.sequence), { ...signed, hash } satisfies StoredStatement)
  const last = added.at(-1)
  if (last !== undefined) tx.set(endName(username), { sequence: last.statement.sequence, head: last.hash })
}

/** Delete a stored chain. */
export async function deleteChain(tx: StoreTransaction, username: string): Promise<void> {
  const { sequence: last } = (await readEnd(tx, username)) ?? { sequence: 0 }
  for (let sequence = 1; sequence <= last; sequence++) tx.delete(statementName(username, sequence))
  tx.delete(endName(username))
}

async function readStored(reader: StoreReader, username: string, after: number): Promise<StoredStatement[]> {
  const { sequence: last } = (await readEnd(reader, username)) ?? { sequence: 0 }
  const sequences = Array.from({ length: Math.max(0, last - after) }, (_, at) => after + at + 1)
  const stored = sequences.map((sequence) => reader.get<StoredStatement>(statementName(username, sequence)))
  return (await Promise.all(stored)).filter((one) => one !== undefined)
}

function endName(username: string): string {
  return `user/${username}`
}

function statementName(username: string, sequence: number): string {
  return `user-statement/${username}/${sequence}`
}
