/** Private keys as a device has them, with their public halves, and a secret one. */
export async function generateKeys(extractable: boolean) {
  const { subtle } = crypto
  const rsa = {
    name: 'RSA-OAEP',
    modulusLength: 2048,
    publicExponent: Uint8Array.of(1, 0, 1),
    hash: 'SHA-256'
  }
  const [signing, encryption, secret] = await Promise.all([
    subtle.generateKey('Ed25519', extractable, ['sign', 'verify']),
    subtle.generateKey(rsa, extractable, ['encrypt', 'decrypt']),
    subtle.generateKey({ name: 'AES-GCM', length: 256 }, extractable, ['encrypt', 'decrypt'])
  ])
  if (!('privateKey' in signing)) throw new TypeError('Ed25519 keys come in pairs.')
  return {
    signing: signing.privateKey,
    verifying: signing.publicKey,
    decrypting: encryption.privateKey,
    encrypting: encryption.publicKey,
    secret
  }
}
