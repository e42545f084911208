import type { Static } from 'typebox'
import * as Type from 'typebox'
import { requireLongPassphrase } from '../../crypto/argon2.js'
import {
  describeBackup,
  isPassphraseOf,
  openBackup,
  sealBackup,
  type BackupSecret
} from '../../crypto/backup.js'
import { decodeBase64, decodeUtf8, encodeBase64, encodeUtf8 } from '../../crypto/encoding.js'
import { CryptoError } from '../../crypto/errors.js'
import { kemKeys } from '../../crypto/kem.js'
import { exportPrivateKey, importPrivateEncryptionKey, importPrivateSigningKey } from '../../crypto/keys.js'
import { SHA256_HEX, USERNAME, UUID } from '../../protocol/ids.js'
import { ChatError, untrusted } from '../errors.js'
import type { DeviceKeys, StoredPair } from '../identity/device-keys.js'
import { openSeed, toStoredKem } from '../identity/sealed-seed.js'
import { checked } from '../transport/response-schema.js'

/** The name of every recovery device. The chain tells them from others by their purpose. */
export const RECOVERY_DEVICE_NAME = 'recovery key'

const Text = Type.String({ maxLength: 16_384 })
const Pair = Type.Object({ private: Text, public: Text, fingerprint: Text })
const Hash = Type.String({ pattern: `^${SHA256_HEX}$` })
const Head = { sequence: Type.Integer({ minimum: 1 }), head: Hash }

const KnownTrust = Type.Object({
  users: Type.Record(
    Type.String({ pattern: `^${USERNAME}$` }),
    Type.Object({
      root: Hash,
      since: Type.Integer({ minimum: 1 }),
      verified: Type.Boolean(),
      decided: Type.Boolean(),
      ...Head
    })
  ),
  conversations: Type.Record(Type.String({ pattern: `^${UUID}$` }), Type.Object(Head))
})

/** What the device that made the backup knew: whom its person trusts, and where chains ended. */
export type KnownTrust = Static<typeof KnownTrust>

const Content = Type.Object({
  version: Type.Literal(1),
  username: Text,
  /** Where the user's own chain ended, the recovery device included. */
  own: Type.Object(Head),
  signingKey: Pair,
  encryptionKey: Pair,
  kemSeed: Text,
  trust: KnownTrust
})

export interface BackupContent {
  device: DeviceKeys
  own: { sequence: number; head: string }
  trust: KnownTrust
}

/** Encrypt a recovery device's keys, and what its maker knew, for storage on the server. */
export async function sealContent(
  { device, own, trust }: BackupContent,
  secret: BackupSecret
): Promise<Uint8Array> {
  const { username, id, signing, encryption, kem } = device
  const content: Static<typeof Content> = {
    version: 1,
    username,
    own,
    signingKey: await exported(signing),
    encryptionKey: await exported(encryption),
    kemSeed: encodeBase64(await openSeed(kem)),
    trust
  }
  try {
    return await sealBackup({ device: id, content: encodeUtf8(JSON.stringify(content)) }, secret)
  } catch (error) {
    throw toChatError(error)
  }
}

/**
 * @throws {ChatError} `other-backup-kind`, a wrong secret's code (`usage`); `tampered-backup` (`untrusted`)
 */
export async function openContent(
  blob: Uint8Array,
  secret: BackupSecret,
  owner: string,
  extractable: boolean
): Promise<BackupContent> {
  try {
    const { kind, device: id } = describeBackup(blob)
    if ((kind === 'passphrase') !== 'passphrase' in secret)
      throw new ChatError(
        'usage',
        'other-backup-kind',
        `The backup was sealed with a ${kind === 'passphrase' ? 'passphrase' : 'recovery code'}.`
      )
    const json: unknown = JSON.parse(decodeUtf8(await openBackup(blob, secret)))
    const { username, own, signingKey, encryptionKey, kemSeed, trust } = checked(Content, json, 'backup')
    if (username !== owner) throw untrusted('tampered-backup', 'The backup is of another user.')
    const signing = await importPrivateSigningKey(signingKey.private, { extractable })
    const encryption = await importPrivateEncryptionKey(encryptionKey.private, { extractable })
    const device: DeviceKeys = {
      username,
      id,
      name: RECOVERY_DEVICE_NAME,
      purpose: 'recovery',
      signing: { privateKey: signing, publicKey: signingKey.public, fingerprint: signingKey.fingerprint },
      encryption: {
        privateKey: encryption,
        publicKey: encryptionKey.public,
        fingerprint: encryptionKey.fingerprint
      },
      kem: await toStoredKem(await kemKeys(decodeBase64(kemSeed)), extractable),
      encryptionVersion: 1,
      next: null,
      retired: []
    }
    return { device, own, trust }
  } catch (error) {
    throw toChatError(error)
  }
}

/** What a stored backup says of itself without its secret; null if this client reads no such backup. */
export function readHeader(blob: Uint8Array): ReturnType<typeof describeBackup> | null {
  try {
    return describeBackup(blob)
  } catch (error) {
    if (error instanceof CryptoError && error.code === 'bad-backup') return null
    throw error
  }
}

/**
 * One secret opens one backup. Else a server could hand out the older of two, and show the chains as they were at
 * its time, with devices that were revoked since.
 *
 * @param replaced the backup that the server has, if it has one
 * @throws {ChatError} `bad-passphrase`, `reused-passphrase` (`usage`)
 */
export async function requireNewPassphrase(passphrase: string, replaced?: Uint8Array): Promise<void> {
  try {
    requireLongPassphrase(passphrase)
    if (replaced === undefined || !(await isPassphraseOf(passphrase, replaced))) return
  } catch (error) {
    // Nothing opens a backup without a header, and a new one may replace it.
    if (error instanceof CryptoError && error.code === 'bad-backup') return
    throw toChatError(error)
  }
  throw reusedPassphrase()
}

/** The same for a passphrase that is to replace a secret which the person has typed in. */
export async function requireOtherPassphrase(passphrase: string, typed: BackupSecret): Promise<void> {
  await requireNewPassphrase(passphrase)
  if ('passphrase' in typed && passphrase.normalize('NFKC') === typed.passphrase.normalize('NFKC'))
    throw reusedPassphrase()
}

function reusedPassphrase(): ChatError {
  return new ChatError(
    'usage',
    'reused-passphrase',
    'This is the passphrase of the backup that is replaced.',
    {
      hint: 'Choose another one: with this one a server could hand out the older backup later.'
    }
  )
}

async function exported({ privateKey, publicKey, fingerprint }: StoredPair) {
  return { private: await exportPrivateKey(privateKey), public: publicKey, fingerprint }
}

function toChatError(error: unknown): unknown {
  if (!(error instanceof CryptoError)) return error
  if (error.code === 'bad-backup') return untrusted('tampered-backup', error.message, error)
  return new ChatError('usage', error.code, error.message, { cause: error })
}
