import { concat, decodeHex, encodeUtf8 } from './encoding.js'
import { unshared, type CryptoKey } from './web-crypto.js'

const PURPOSE = encodeUtf8('secure-chat/v1 invitation')
const HMAC = { name: 'HMAC', hash: 'SHA-256' }

/** Bytes of the secret in a link. */
export const INVITATION_SECRET_BYTES = 16

/** The two people whom an invitation has brought together, by their roots. */
export interface Invited {
  inviterRoot: string
  newcomerRoot: string
}

/**
 * Proof that a newcomer has the secret of an invitation, bound to both roots (docs/protocol.md, "Invitation").
 *
 * @returns 32 bytes
 */
export async function invitationProof(secret: Uint8Array, invited: Invited): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.sign('HMAC', await importSecret(secret), inputOf(invited)))
}

/** Whether it is the proof, compared in constant time. */
export async function isInvitationProof(
  proof: Uint8Array,
  secret: Uint8Array,
  invited: Invited
): Promise<boolean> {
  return crypto.subtle.verify('HMAC', await importSecret(secret), unshared(proof), inputOf(invited))
}

function importSecret(secret: Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', unshared(secret), HMAC, false, ['sign', 'verify'])
}

function inputOf({ inviterRoot, newcomerRoot }: Invited): Uint8Array<ArrayBuffer> {
  return unshared(concat(PURPOSE, decodeHex(inviterRoot), decodeHex(newcomerRoot)))
}
