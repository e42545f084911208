import { MAX_KEY_BACKUP_BYTES } from '../protocol/key-backup.js'
import { decrypt, encrypt, importAesKey, IV_BYTES } from './aes-gcm.js'
import { type BackupHeader, decodeBackupHeader, encodeBackupHeader, SALT_BYTES } from './backup-header.js'
import { concat, encodeUtf8, equalBytes } from './encoding.js'
import { CryptoError } from './errors.js'
import { hkdf, importHkdfKey } from './hash.js'
import { MAX_ITERATIONS, MIN_ITERATIONS, pbkdf2 } from './pbkdf2.js'
import { parseRecoveryCode } from './recovery-code.js'
import { randomBytes, type CryptoKey, type Random } from './web-crypto.js'

/** The secret that opens a key backup. Never the account's password: the server sees that one. */
export type BackupSecret = { readonly recoveryCode: string } | { readonly passphrase: string }

/** In characters. The server has the backup and can guess without limit, so short ones are refused. */
const PASSPHRASE_LENGTH = { min: 12, max: 1024 }
const KEY_INFO = encodeUtf8('secure-chat/v1 key-backup')
const COMMITMENT_INFO = encodeUtf8('secure-chat/v1 key-backup commitment')

/**
 * Encrypt a key backup (docs/protocol.md, "Key backup").
 *
 * @param options `iterations` of PBKDF2 for a passphrase: 600,000 (default) to 10,000,000
 * @returns header and ciphertext, at most `MAX_KEY_BACKUP_BYTES`
 * @throws {CryptoError} `bad-recovery-code`; `bad-passphrase` for fewer than 12 or more than 1,024
 *   characters, or iterations out of bounds; `too-large`
 */
export async function sealBackup(
  content: Uint8Array,
  secret: BackupSecret,
  { iterations = MIN_ITERATIONS, random = randomBytes }: { iterations?: number; random?: Random } = {}
): Promise<Uint8Array> {
  if ('passphrase' in secret) requireValidPassphrase(secret.passphrase, iterations)
  const salt = random(SALT_BYTES)
  const iv = random(IV_BYTES)
  const parameters =
    'passphrase' in secret
      ? ({ kind: 'passphrase', iterations, salt, iv } as const)
      : ({ kind: 'recovery-code', iterations: null, salt, iv } as const)
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

/** The kind of secret that opens a key backup. @throws {CryptoError} `bad-backup` if it is not one */
export function backupKind(blob: Uint8Array): BackupHeader['kind'] {
  return decodeBackupHeader(blob).header.kind
}

const secretNames = { 'recovery-code': 'recovery code', passphrase: 'passphrase' }

/** Without the commitment, somebody could make a backup that several passphrases open. */
async function deriveKey(
  secret: BackupSecret,
  { kind, iterations, salt }: Pick<BackupHeader, 'kind' | 'iterations' | 'salt'>
): Promise<{ key: CryptoKey; commitment: Uint8Array }> {
  const ikm = await importHkdfKey(await keyMaterial(secret, kind, iterations, salt))
  const key = await importAesKey(await hkdf(ikm, salt, KEY_INFO))
  return { key, commitment: await hkdf(ikm, salt, COMMITMENT_INFO) }
}

async function keyMaterial(
  secret: BackupSecret,
  kind: BackupHeader['kind'],
  iterations: number | null,
  salt: Uint8Array
): Promise<Uint8Array> {
  if ('recoveryCode' in secret && kind === 'recovery-code') return parseRecoveryCode(secret.recoveryCode)
  if ('passphrase' in secret && iterations !== null) return pbkdf2(secret.passphrase, salt, iterations)
  throw new CryptoError('bad-backup', `The key backup opens with a ${secretNames[kind]}.`)
}

function requireValidPassphrase(passphrase: string, iterations: number): void {
  const { min, max } = PASSPHRASE_LENGTH
  const length = [...passphrase.normalize('NFC')].length
  if (length < min || length > max)
    throw new CryptoError('bad-passphrase', `A passphrase has ${min} to ${max} characters, not ${length}.`)
  if (!Number.isInteger(iterations) || iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS)
    throw new CryptoError(
      'bad-passphrase',
      `A key backup has ${MIN_ITERATIONS} to ${MAX_ITERATIONS} iterations of PBKDF2.`
    )
}
