import Type from 'typebox'
import { backupKind, openBackup, sealBackup, type BackupSecret } from '../../crypto/backup.js'
import { decodeUtf8, encodeUtf8 } from '../../crypto/encoding.js'
import { CryptoError } from '../../crypto/errors.js'
import { exportPrivateKey, importPrivateEncryptionKey, importPrivateSigningKey } from '../../crypto/keys.js'
import { ChatError, untrusted } from '../errors.js'
import type { DeviceKeys, StoredPair } from '../identity/own-device.js'
import { checked } from '../transport/response-schema.js'

/** The name of every recovery device. */
export const RECOVERY_DEVICE_NAME = 'recovery key'

const Text = Type.String({ maxLength: 16_384 })
const Pair = Type.Object({ private: Text, public: Text, fingerprint: Text })
const Content = Type.Object({
  version: Type.Literal(1),
  username: Text,
  device: Text,
  signingKey: Pair,
  encryptionKey: Pair
})

/** Encrypt a recovery device's keys for storage on the server. */
export async function sealDevice(
  { username, id, signing, encryption }: DeviceKeys,
  secret: BackupSecret
): Promise<Uint8Array> {
  const [signingKey, encryptionKey] = await Promise.all([exported(signing), exported(encryption)])
  const content = { version: 1, username, device: id, signingKey, encryptionKey }
  try {
    return await sealBackup(encodeUtf8(JSON.stringify(content)), secret)
  } catch (error) {
    throw toChatError(error)
  }
}

/**
 * @throws {ChatError} `other-backup-kind`, a wrong secret's code (`usage`); `tampered-backup` (`untrusted`)
 */
export async function openDevice(
  blob: Uint8Array,
  secret: BackupSecret,
  owner: string,
  extractable: boolean
): Promise<DeviceKeys> {
  try {
    const kind = backupKind(blob)
    if ((kind === 'passphrase') !== 'passphrase' in secret)
      throw new ChatError(
        'usage',
        'other-backup-kind',
        `The backup was sealed with a ${kind === 'passphrase' ? 'passphrase' : 'recovery code'}.`
      )
    const content: unknown = JSON.parse(decodeUtf8(await openBackup(blob, secret)))
    const { username, device: id, signingKey, encryptionKey } = checked(Content, content, 'backup')
    if (username !== owner) throw untrusted('tampered-backup', 'The backup is of another user.')
    const signing = await importPrivateSigningKey(signingKey.private, { extractable })
    const encryption = await importPrivateEncryptionKey(encryptionKey.private, { extractable })
    return {
      username,
      id,
      name: RECOVERY_DEVICE_NAME,
      signing: {
        privateKey: signing,
        publicKey: signingKey.public,
        fingerprint: signingKey.fingerprint
      },
      encryption: {
        privateKey: encryption,
        publicKey: encryptionKey.public,
        fingerprint: encryptionKey.fingerprint
      },
      encryptionVersion: 1,
      next: null
    }
  } catch (error) {
    throw toChatError(error)
  }
}

async function exported({ privateKey, publicKey, fingerprint }: StoredPair) {
  return { private: await exportPrivateKey(privateKey), public: publicKey, fingerprint }
}

function toChatError(error: unknown): unknown {
  if (!(error instanceof CryptoError)) return error
  if (error.code === 'bad-backup') return untrusted('tampered-backup', error.message, error)
  return new ChatError('usage', error.code, error.message, { cause: error })
}
