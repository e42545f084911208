import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto'
import type { SignedStatement } from '../../../src/protocol/schema.js'

export const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex')

/** The PKCS #8 of an Ed25519 key before its seed (RFC 8410). */
const PKCS8 = '302e020100300506032b657004220420'
const keys = new Map<string, { privateKey: KeyObject; pem: string }>()
const fingerprints = new Map<string, string>()

/** The fingerprint of a signing key that follows from a name. */
export function signingKey(name: string): string {
  let fingerprint = fingerprints.get(name)
  if (fingerprint === undefined) {
    const der = Buffer.from(PKCS8 + sha256(name), 'hex')
    const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    const publicKey = createPublicKey(privateKey)
    fingerprint = sha256(publicKey.export({ format: 'der', type: 'spki' }))
    fingerprints.set(name, fingerprint)
    keys.set(fingerprint, { privateKey, pem: publicKey.export({ format: 'pem', type: 'spki' }).toString() })
  }
  return fingerprint
}

export const pemOf = (fingerprint: string): string => keys.get(fingerprint)!.pem

export function signedBy(text: string, ...signers: readonly string[]): SignedStatement {
  const signatures = signers.map((signer) => {
    const { privateKey } = keys.get(signer)!
    return [signer, sign(null, Buffer.from(text), privateKey).toString('base64')] as const
  })
  return { text, signatures: Object.fromEntries(signatures) }
}
