import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Beside the compiled tests, and gone with them; seen from `build/test/support`. */
const file = join(import.meta.dirname, '../../rsa-keys.json')
const SIZE = 32

const rsaOaep = { name: 'RSA-OAEP', hash: 'SHA-256' }
let pool: string[] | undefined
let inUse = false

/**
 * An RSA key of 2048 bits, made once for all tests: half the time of an account goes into such a key. No two
 * calls in one process give the same, so they do for one server.
 *
 * @returns null when all have been used
 */
export function readyRsaKey(): KeyObject | null {
  pool ??= readPool()
  const pem = pool.shift()
  return pem === undefined ? null : createPrivateKey(pem)
}

/** The keys come again from the first one: for another server. */
export function refillReadyKeys(): void {
  pool = undefined
}

function readPool(): string[] {
  if (!existsSync(file)) {
    const made = Array.from({ length: SIZE }, () =>
      generateKeyPairSync('rsa', { modulusLength: 2048 })
        .privateKey.export({ type: 'pkcs8', format: 'pem' })
        .toString()
    )
    writeFileSync(`${file}-${process.pid}`, JSON.stringify(made))
    renameSync(`${file}-${process.pid}`, file)
  }
  return JSON.parse(readFileSync(file, 'utf8')) as string[]
}

/** From now on the clients in this process get such keys, of whatever size they ask for. */
export function useReadyKeys(): void {
  if (inUse) return
  inUse = true
  const { subtle } = crypto
  const generateKey = subtle.generateKey.bind(subtle) as (...args: unknown[]) => Promise<unknown>
  const ready = async (
    algorithm: { name?: string },
    extractable: boolean,
    usages: unknown
  ): Promise<unknown> => {
    const key = algorithm.name === rsaOaep.name ? readyRsaKey() : null
    if (key === null) return generateKey(algorithm, extractable, usages)
    const pkcs8 = key.export({ type: 'pkcs8', format: 'der' })
    const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
    return {
      privateKey: await subtle.importKey('pkcs8', pkcs8, rsaOaep, extractable, ['decrypt']),
      publicKey: await subtle.importKey('spki', spki, rsaOaep, true, ['encrypt'])
    }
  }
  Object.defineProperty(subtle, 'generateKey', { value: ready })
}
