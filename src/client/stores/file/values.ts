import { ChatError } from '../../errors.js'
import type { CryptoKey } from '../../../crypto/web-crypto.js'
import type { Value } from '../store.js'
import { isCryptoKey } from '../values.js'

/**
 * A value as JSON: bytes are `{"$bytes": base64}`, keys `{"$key": …}`; other names that begin with $ get one
 * more $.
 */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

/** A key in the file. `data` is base64 of PKCS #8 (private), SPKI (public) or the raw bytes (secret). */
type StoredKey = {
  format: 'pkcs8' | 'spki' | 'raw'
  algorithm: { name: string; hash?: string; namedCurve?: string }
  usages: CryptoKey['usages']
  data: string
}

const formats = { private: 'pkcs8', public: 'spki', secret: 'raw' } as const

/** @throws {ChatError} `unstorable-value` if it holds a key that cannot be extracted */
export async function encodeValue(value: Value): Promise<Json> {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return { $bytes: toBase64(value) }
  if (isCryptoKey(value)) return { $key: await encodeKey(value) }
  if (isList(value)) return Promise.all(value.map(encodeValue))
  const members = Object.entries(value).map(
    async ([name, member]) => [name.startsWith('$') ? `$${name}` : name, await encodeValue(member)] as const
  )
  return Object.fromEntries(await Promise.all(members))
}

export async function decodeValue(json: Json): Promise<Value> {
  if (typeof json !== 'object' || json === null) return json
  if (Array.isArray(json)) return Promise.all(json.map(decodeValue))
  if (Object.hasOwn(json, '$bytes')) return fromBase64(json.$bytes as string)
  if (Object.hasOwn(json, '$key')) return decodeKey(json.$key as StoredKey)
  const members = Object.entries(json).map(
    async ([name, member]) =>
      [name.startsWith('$') ? name.slice(1) : name, await decodeValue(member)] as const
  )
  return Object.fromEntries(await Promise.all(members))
}

export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, 'base64'))
}

async function encodeKey(key: CryptoKey): Promise<StoredKey> {
  if (!key.extractable) {
    throw new ChatError('usage', 'unstorable-value', 'A file takes no key that cannot be extracted.')
  }
  const { name, hash, namedCurve } = key.algorithm as CryptoKey['algorithm'] & {
    hash?: { name: string }
    namedCurve?: string
  }
  const format = formats[key.type]
  const data = new Uint8Array(await crypto.subtle.exportKey(format, key))
  const algorithm = { name, ...(hash && { hash: hash.name }), ...(namedCurve && { namedCurve }) }
  return { format, algorithm, usages: [...key.usages], data: toBase64(data) }
}

function decodeKey({ format, algorithm, usages, data }: StoredKey): Promise<CryptoKey> {
  return crypto.subtle.importKey(format, fromBase64(data), algorithm, true, usages)
}

function isList(value: readonly Value[] | { readonly [name: string]: Value }): value is readonly Value[] {
  return Array.isArray(value)
}
