import { decodeBase64, encodeBase64 } from './encoding.js'
import { CryptoError } from './errors.js'

const BEGIN = '-----BEGIN PUBLIC KEY-----\n'
const END = '\n-----END PUBLIC KEY-----\n'

/** The PEM of a public key's SPKI DER, byte for byte as `openssl pkey -pubout` prints it. */
export function encodePem(der: Uint8Array): string {
  return `${BEGIN}${encodeBase64(der)
    .match(/.{1,64}/g)!
    .join('\n')}${END}`
}

/**
 * The SPKI DER in a PEM.
 *
 * @throws {CryptoError} `bad-key` if the text differs from what `encodePem` returns
 */
export function decodePem(pem: string): Uint8Array {
  let der: Uint8Array | undefined
  try {
    der = decodeBase64(pem.slice(BEGIN.length, -END.length).replaceAll('\n', ''))
  } catch {
    // Reported below, like all other mistakes.
  }
  if (der === undefined || der.length === 0 || encodePem(der) !== pem)
    throw new CryptoError('bad-key', 'The public key is not an SPKI PEM as `openssl pkey -pubout` prints it.')
  return der
}
