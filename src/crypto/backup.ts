import { MAX_KEY_BACKUP_BYTES } from '../protocol/key-backup.js'
import { decrypt, encrypt, importAesKey, IV_BYTES } from './aes-gcm.js'
import { argon2id, DEFAULT_COST, requireLongPassphrase, type Argon2Cost } from './argon2.js'
import { type BackupHeader, decodeBackupHeader, encodeBackupHeader, SALT_BYTES } from './backup-header.js'
import { concat, encodeUtf8, equalBytes } from './encoding.js'
import { CryptoError } from './errors.js'
import { hkdf, importHkdfKey } from './hash.js'
import { parseRecoveryCode } from './recovery-code.js'
import { randomBytes, type CryptoKey, type Random } from './web-crypto.js'

/** The secret that opens a key backup. Never the account's password: the server sees that one. */
export type BackupSecret = { readonly recoveryCode: string } | { readonly passphrase: string }

const KEY_INFO = encodeUtf8('secure-chat/v1 key-backup')
const COMMITMENT_INFO = encodeUtf8('secure-chat/v1 key-backup commitment')

/**
 * Encrypt a key backup (docs/protocol.md, "Key backup").
 *
 * @param backup `device`: id of the recovery device, which stands in the clear
 * @param options `cost` of Argon2id for a passphrase
 * @returns header and ciphertext, at most `MAX_KEY_BACKUP_BYTES`
 * @throws {CryptoError} `bad-recovery-code`; `bad-passphrase` for fewer than 12 or more than 1,024
 *   characters; `bad-cost`; `too-large`
 */
export async function sealBackup(
  { device, content }: { device: string; content: Uint8Array },
  secret: BackupSecret,
  { cost = DEFAULT_COST, random = randomBytes }: { cost?: Argon2Cost; random?: Random } = {}
): Promise<Uint8Array> {
  if ('passphrase' in secret) requireLongPassphrase(secret.passphrase)
  const salt = random(SALT_BYTES)
  const iv = random(IV_BYTES)
  const parameters =
    'passphrase' in secret
      ? ({ device, kind: 'passphrase', cost, salt, iv } as const)
      : ({ device, kind: 'recovery-code', cost: null, salt, iv } as const)
  const { key, commitment } = await deriveKey(secret, parameters)
  const header = encodeBackupHeader({ ...parameters, commitment })
  const blob = concat(header, await encrypt(key, iv, content, header))
  if (blob.length > MAX_KEY_BACKUP_BYTES)
    throw new CryptoError(
      'too-large',
      `A key backup has at most ${MAX_KEY_BACKUP_BYTES} bytes, not ${blob.length}.`
    )
  return blob
}

/**
 * Decrypt a key backup.
 *
 * @throws {CryptoError} `bad-backup` if it is malformed, was altered, or needs the other kind of secret;
 *   `wrong-secret` if the code or passphrase is another one (or the header was altered); `bad-recovery-code`
 *   if the code has a typing mistake
 */
export async function openBackup(blob: Uint8Array, secret: BackupSecret): Promise<Uint8Array> {
  if (blob.length > MAX_KEY_BACKUP_BYTES)
    throw new CryptoError(
      'bad-backup',
      `A key backup has at most ${MAX_KEY_BACKUP_BYTES} bytes, not ${blob.length}.`
    )
  const { header, length } = decodeBackupHeader(blob)
  const { key, commitment } = await deriveKey(secret, header)
  if (!equalBytes(commitment, header.commitment))
    throw new CryptoError('wrong-secret', `The ${secretNames[header.kind]} does not open this backup.`)
  try {
    return await decrypt(key, header.iv, blob.subarray(length), blob.subarray(0, length))
  } catch (cause) {
    throw new CryptoError('bad-backup', 'The key backup was altered.', { cause })
  }
}

/**
 * Whether a passphrase is the one of a key backup, whatever became of the ciphertext.
 *
 * @throws {CryptoError} `bad-backup` if its header is malformed
 */
export async function isPassphraseOf(passphrase: string, blob: Uint8Array): Promise<boolean> {
  const { header } = decodeBackupHeader(blob)
  if (header.kind !== 'passphrase') return false
  const { commitment } = await deriveKey({ passphrase }, header)
  return equalBytes(commitment, header.commitment)
}

/** What a key backup says of itself to anybody. @throws {CryptoError} `bad-backup` if it is not one */
export function describeBackup(blob: Uint8Array): Pick<BackupHeader, 'device' | 'kind'> {
  return decodeBackupHeader(blob).header
}

const secretNames = { 'recovery-code': 'recovery code', passphrase: 'passphrase' }

/** Without the commitment, somebody could make a backup that several passphrases open. */
async function deriveKey(
  secret: BackupSecret,
  { kind, cost, salt }: Pick<BackupHeader, 'kind' | 'cost' | 'salt'>
): Promise<{ key: CryptoKey; commitment: Uint8Array }> {
  const ikm = await importHkdfKey(await keyMaterial(secret, kind, cost, salt))
  const key = await importAesKey(await hkdf(ikm, salt, KEY_INFO))
  return { key, commitment: await hkdf(ikm, salt, COMMITMENT_INFO) }
}

async function keyMaterial(
  secret: BackupSecret,
  kind: BackupHeader['kind'],
  cost: Argon2Cost | null,
  salt: Uint8Array
): Promise<Uint8Array> {
  if ('recoveryCode' in secret && kind === 'recovery-code') return parseRecoveryCode(secret.recoveryCode)
  if ('passphrase' in secret && cost !== null) return argon2id(secret.passphrase, salt, cost)
  throw new CryptoError('bad-backup', `The key backup opens with a ${secretNames[kind]}.`)
}
