import { bob, bobsKem, counting, examples } from './actors.js'
import { hybridWrap } from './hybrid-wrap.js'
import { oaep } from './oaep.js'

/** The parts of a hybrid wrap that a vector gets wrong. */
export interface HybridChange {
  kemKey?: Uint8Array
  random?: Uint8Array
  statement?: string
  device?: string
  iv?: Uint8Array
}

const { encryptionKey } = examples.keys.bob

/** A hybrid wrap for Bob. */
export function hybridForBob(
  key: Uint8Array,
  {
    kemKey = bobsKem.publicKey,
    statement = examples.sessionKey.statement.hash,
    device = bob.fingerprint,
    ...change
  }: HybridChange = {}
): Buffer {
  return hybridWrap({ signingKey: device, encryptionKey, kemKey }, statement, key, change)
}

/** RSA-OAEP for Bob. */
export function oaepForBob(message: Uint8Array, seed = counting(0x11)(32)): Buffer {
  return oaep(encryptionKey, message, seed)
}
