import { ChatError } from '../errors.js'
import type { CryptoKey } from '../../crypto/web-crypto.js'
import type { Value } from './store.js'

/** Values may be nested this deep: far deeper than needed, and far from overflowing the stack. */
const MAX_DEPTH = 64

/**
 * A copy that shares nothing mutable with `value`.
 *
 * @throws {ChatError} `unstorable-value` if it is no `Value`
 */
export function copyValue<T extends Value>(value: T): T {
  return copy(value, MAX_DEPTH) as T
}

function copy(value: unknown, depth: number): Value {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (value instanceof Uint8Array) return new Uint8Array(value)
  if (isCryptoKey(value)) return value
  if (depth > 0 && Array.isArray(value)) return Array.from(value, (item) => copy(item, depth - 1))
  if (depth > 0 && isPlainObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, copy(member, depth - 1)]))
  }
  throw new ChatError('usage', 'unstorable-value', `A store takes no ${describe(value)}.`)
}

export function isCryptoKey(value: unknown): value is CryptoKey {
  return Object.prototype.toString.call(value) === '[object CryptoKey]'
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function describe(value: unknown): string {
  if (typeof value === 'number') return String(value)
  if (typeof value !== 'object') return typeof value
  return Array.isArray(value) || isPlainObject(value) ? 'value nested so deeply' : 'object of a class'
}
