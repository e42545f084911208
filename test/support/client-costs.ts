import type { MemoryStore } from '../../src/client/stores/memory.js'
import type { Value } from '../../src/client/stores/store.js'
import { isCryptoKey, isPlainObject } from '../../src/client/stores/values.js'
import { longestBlock } from './longest-block.js'

/** No input of somebody else keeps a client from other work for longer, in milliseconds (protocol, "Bounds"). */
export const LONGEST_BLOCK = 50
/** Bytes that one event adds to a client's store, and for each member that it names. */
export const EVENT_BYTES = 64 * 1024
export const MEMBER_BYTES = 8 * 1024

const TRIES = 8

/** What an input costs a client. */
interface Cost {
  /** The longest stretch without other work, in milliseconds. */
  block: number
  /** Growth of the store. */
  bytes: number
}

/**
 * Measures until a try is within the bound, for a machine that is busy with other things stretches some of
 * them. An input that breaks the bound does so each time.
 *
 * @param prepare makes another input for each try; what it returns gives the input to the client
 */
export async function costOf(
  store: MemoryStore,
  prepare: (round: number) => Promise<() => Promise<unknown>>
): Promise<Cost> {
  let best: Cost = { block: Infinity, bytes: 0 }
  for (let round = 0; round < TRIES && best.block >= LONGEST_BLOCK; round++) {
    const give = await prepare(round)
    const before = await storedBytes(store)
    const { longest } = await longestBlock(give)
    const bytes = Math.max(best.bytes, (await storedBytes(store)) - before)
    best = { block: Math.min(best.block, Math.round(longest)), bytes }
  }
  return best
}

/** The bytes that a store holds, names included. */
async function storedBytes(store: MemoryStore): Promise<number> {
  const entries = await store.list('')
  return entries.reduce((sum, [name, value]) => sum + name.length + bytesOf(value), 0)
}

function bytesOf(value: Value): number {
  if (value instanceof Uint8Array) return value.length
  if (isCryptoKey(value)) return 0
  const parts: Value[] = Array.isArray(value)
    ? value
    : isPlainObject(value)
      ? Object.entries(value).flat()
      : []
  if (parts.length === 0) return Buffer.byteLength(JSON.stringify(value))
  return parts.reduce<number>((sum, part) => sum + bytesOf(part) + 1, 2)
}
