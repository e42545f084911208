import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeHex, encodeBase64 } from '../../../src/crypto/encoding.js'
import { importPrivateSigningKey } from '../../../src/crypto/keys.js'
import type { Signer } from '../../../src/crypto/statements.js'
import { examples, folder } from './actors.js'

export interface DeviceKeys {
  device: string
  signingSeed: string
  signingFingerprint: string
  encryptionKey: string
  encryptionFingerprint: string
  kemKey?: string
  kemFingerprint?: string
}

/** RSA keys cannot be made from a seed, so the keys of the group are read from its own file and kept. */
export const groupKeys = (
  JSON.parse(readFileSync(join(folder, 'group.json'), 'utf8')) as {
    keys: Record<'tablet' | 'carol' | 'carolsPhone', DeviceKeys> & {
      bobRekeyed: Omit<DeviceKeys, 'signingSeed' | 'signingFingerprint'>
    }
  }
).keys

const { alice, bob } = examples.keys as unknown as Record<'alice' | 'bob', DeviceKeys>

/** The devices of the group: whose they are, their lines and their signers. */
export const cast = {
  laptop: await member('alice', { ...alice, device: '0198c6f2-7b1e-7c55-9d2a-3f1f0c5a9e01' }),
  tablet: await member('alice', groupKeys.tablet),
  bob: await member('bob', { ...bob, device: groupKeys.bobRekeyed.device }),
  bobRekeyed: await member('bob', { ...bob, ...groupKeys.bobRekeyed }),
  carol: await member('carol', groupKeys.carol),
  carolsPhone: await member('carol', groupKeys.carolsPhone)
}

export interface CastDevice {
  username: string
  id: string
  signingKey: string
  encryptionKey: string
  kemKey: string
  signer: Signer
}

async function member(username: string, keys: DeviceKeys): Promise<CastDevice> {
  const pkcs8 = encodeBase64(decodeHex(`302e020100300506032b657004220420${keys.signingSeed}`))
  return {
    username,
    id: keys.device,
    signingKey: keys.signingFingerprint,
    encryptionKey: keys.encryptionFingerprint,
    kemKey: keys.kemFingerprint ?? '-',
    signer: {
      privateKey: await importPrivateSigningKey(pkcs8, { extractable: false }),
      fingerprint: keys.signingFingerprint
    }
  }
}
