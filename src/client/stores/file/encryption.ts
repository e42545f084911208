import { ChatError } from '../../errors.js'
import { fromBase64 } from './values.js'
import type { CryptoKey } from '../../../crypto/web-crypto.js'

/**
 * PBKDF2 rounds, from the OWASP Password Storage Cheat Sheet. A file with fewer is refused as a downgrade.
 */
const ITERATIONS = 600_000

/** A file that asks for more rounds would stall its reader. */
const MAX_ITERATIONS = 10_000_000

const SALT_BYTES = 16
const IV_BYTES = 12

/** How to derive the key from the passphrase. Not secret: the file's header shows it. */
export interface SealParameters {
  kdf: 'PBKDF2-SHA-256'
  iterations: number
  /** Base64 of 16 random bytes. */
  salt: string
}

/**
 * Encrypts under a key from a passphrase: AES-256-GCM with random IVs (NIST SP 800-38D, 2^32 texts at most).
 */
export class Seal {
  readonly parameters: SealParameters
  readonly #key: CryptoKey

  private constructor(parameters: SealParameters, key: CryptoKey) {
    this.parameters = parameters
    this.#key = key
  }

  static async derive(passphrase: CryptoKey, parameters: SealParameters): Promise<Seal> {
    const { iterations, salt } = parameters
    const algorithm = { name: 'PBKDF2', hash: 'SHA-256', iterations, salt: fromBase64(salt) }
    const key = await crypto.subtle.deriveKey(
      algorithm,
      passphrase,
      { name: 'AES-GCM', length: 256 },
      false,
      ['encrypt', 'decrypt']
    )
    return new Seal(parameters, key)
  }

  /**
   * @param bound additional data: the text opens only together with it
   * @returns base64 of IV, ciphertext and tag
   */
  async seal(text: string, bound: string): Promise<string> {
    const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES))
    const algorithm = { name: 'AES-GCM', iv, additionalData: Buffer.from(bound) }
    const sealed = await crypto.subtle.encrypt(algorithm, this.#key, Buffer.from(text))
    return Buffer.concat([iv, new Uint8Array(sealed)]).toString('base64')
  }

  /** @returns null if it was sealed under another key or with other additional data, or has been changed */
  async open(sealed: string, bound: string): Promise<string | null> {
    const bytes = fromBase64(sealed)
    const iv = bytes.subarray(0, IV_BYTES)
    const algorithm = { name: 'AES-GCM', iv, additionalData: Buffer.from(bound) }
    try {
      return Buffer.from(
        await crypto.subtle.decrypt(algorithm, this.#key, bytes.subarray(IV_BYTES))
      ).toString()
    } catch {
      return null
    }
  }
}

/** A passphrase in memory, as a key that cannot be exported. */
export class Passphrase {
  readonly #key: CryptoKey
  #last: Seal | undefined

  private constructor(key: CryptoKey) {
    this.#key = key
  }

  /**
   * @param text is normalised to NFKC, because keyboards differ
   * @throws {ChatError} `empty-passphrase`
   */
  static async from(text: string): Promise<Passphrase> {
    if (text === '')
      throw new ChatError('usage', 'empty-passphrase', 'The passphrase of a key store is empty.')
    const bytes = Buffer.from(text.normalize('NFKC'))
    return new Passphrase(await crypto.subtle.importKey('raw', bytes, 'PBKDF2', false, ['deriveKey']))
  }

  /** Derive a key with a new salt. Takes some tenths of a second. */
  makeSeal(): Promise<Seal> {
    const salt = Buffer.from(crypto.getRandomValues(new Uint8Array(SALT_BYTES))).toString('base64')
    return this.sealOf({ kdf: 'PBKDF2-SHA-256', iterations: ITERATIONS, salt })
  }

  /** Derive the key of an existing file. Takes as long, unless the parameters are those of the last call. */
  async sealOf(parameters: SealParameters): Promise<Seal> {
    const { salt, iterations } = this.#last?.parameters ?? {}
    if (salt !== parameters.salt || iterations !== parameters.iterations) {
      this.#last = await Seal.derive(this.#key, parameters)
    }
    return this.#last!
  }
}

export function isSealParameters(value: unknown): value is SealParameters {
  if (typeof value !== 'object' || value === null) return false
  const { kdf, iterations, salt } = value as Record<string, unknown>
  return (
    kdf === 'PBKDF2-SHA-256' &&
    Number.isSafeInteger(iterations) &&
    (iterations as number) >= ITERATIONS &&
    (iterations as number) <= MAX_ITERATIONS &&
    typeof salt === 'string' &&
    /^[A-Za-z0-9+/]{21}[AQgw]==$/.test(salt)
  )
}
