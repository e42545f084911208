import { argon2id, DEFAULT_COST, isAcceptableCost, requireLongPassphrase } from '../../../crypto/argon2.js'
import { CryptoError } from '../../../crypto/errors.js'
import type { CryptoKey } from '../../../crypto/web-crypto.js'
import { ChatError } from '../../errors.js'
import { fromBase64, toBase64 } from './values.js'

const SALT_BYTES = 16
const IV_BYTES = 12

/** How to derive the key from the passphrase (protocol, "Argon2id"). Not secret: the file's header shows it. */
export interface SealParameters {
  kdf: 'Argon2id'
  /** In KiB. */
  memory: number
  passes: number
  lanes: number
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

  static async derive(passphrase: string, parameters: SealParameters): Promise<Seal> {
    const bytes = await argon2id(passphrase, fromBase64(parameters.salt), parameters)
    const key = await crypto.subtle.importKey('raw', new Uint8Array(bytes), 'AES-GCM', false, [
      'encrypt',
      'decrypt'
    ])
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

/** The passphrase of a store, and the key that was last derived from it. */
export class Passphrase {
  readonly #text: string
  #last: Seal | undefined

  constructor(text: string) {
    this.#text = text
  }

  /**
   * Derive a key with a new salt. Takes about a second.
   *
   * @throws {ChatError} `bad-passphrase` (`usage`) if it is too easy to guess
   */
  makeSeal(): Promise<Seal> {
    requireLong(this.#text)
    const salt = toBase64(crypto.getRandomValues(new Uint8Array(SALT_BYTES)))
    return this.sealOf({ kdf: 'Argon2id', ...DEFAULT_COST, salt })
  }

  /** Derive the key of an existing file. Takes as long, unless the parameters are those of the last call. */
  async sealOf(parameters: SealParameters): Promise<Seal> {
    const last = this.#last?.parameters
    if (last === undefined || !NAMES.every((name) => last[name] === parameters[name]))
      this.#last = await Seal.derive(this.#text, parameters)
    return this.#last!
  }
}

const NAMES = ['memory', 'passes', 'lanes', 'salt'] as const

export function isSealParameters(value: unknown): value is SealParameters {
  if (typeof value !== 'object' || value === null) return false
  const { kdf, salt, memory, passes, lanes } = value as SealParameters
  return (
    kdf === 'Argon2id' &&
    isAcceptableCost({ memory, passes, lanes }) &&
    typeof salt === 'string' &&
    /^[A-Za-z0-9+/]{21}[AQgw]==$/.test(salt)
  )
}

function requireLong(text: string): void {
  try {
    requireLongPassphrase(text)
  } catch (cause) {
    if (!(cause instanceof CryptoError)) throw cause
    throw new ChatError('usage', 'bad-passphrase', cause.message, { cause })
  }
}
