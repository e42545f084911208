import type { SignedStatement } from '../../protocol/schema.js'
import type { ChatError } from '../errors.js'
import { bumpChainRevision } from '../identity/chain-revision.js'
import type { StoreReader, StoreTransaction } from '../stores/store.js'
import { linksOf, type ServedRequest } from './verify.js'

/** A server that forks a chain again and again, with a member who helps, fills no store. */
const MAX_PROOFS = 16

/** A request that a member has signed, and that names what the server does not show. */
export type Proof = {
  hash: string
  /** The place of the request's last statement in the chain. */
  sequence: number
  code: string
  message: string
  items: SignedStatement[]
}

export async function readProofs(reader: StoreReader, id: string): Promise<Proof[]> {
  return (await reader.list<Proof>(proofName(id))).map(([, proof]) => proof)
}

/** Keep a request that was refused, beside those that are kept already: each names something else. */
export async function keepProof(
  tx: StoreTransaction,
  id: string,
  { items, request }: ServedRequest,
  { code, message }: ChatError
): Promise<void> {
  const { hash, statement } = linksOf(request).at(-1)!
  const kept = await readProofs(tx, id)
  if (kept.length >= MAX_PROOFS || kept.some((proof) => proof.hash === hash)) return
  const proof: Proof = { hash, sequence: statement.sequence, code, message, items: [...items] }
  tx.set(proofName(id, hash), proof)
  await bumpChainRevision(tx)
}

/**
 * The chain has these statements now, and so all that they name. Proofs that are full stay so until the person accepts
 * the chain: others may have found no room.
 */
export async function dropShown(
  tx: StoreTransaction,
  id: string,
  shown: (hash: string) => boolean
): Promise<void> {
  const kept = await readProofs(tx, id)
  if (kept.length >= MAX_PROOFS) return
  for (const { hash } of kept) if (shown(hash)) tx.delete(proofName(id, hash))
}

/** The person has taken the chain as it is. */
export async function forgetProofs(tx: StoreTransaction, id: string): Promise<void> {
  for (const { hash } of await readProofs(tx, id)) tx.delete(proofName(id, hash))
}

function proofName(id: string, hash = ''): string {
  return `proof/${id}/${hash}`
}
