import { MAX_KEY_BACKUP_BYTES } from '../protocol/key-backup.js'
import { decrypt, encrypt, importAesKey, IV_BYTES } from './aes-gcm.js'
import { type BackupHeader, decodeBackupHeader, encodeBackupHeader, SALT_BYTES } from './backup-header.js'
import { concat, encodeUtf8, equalBytes } from './encoding.js'
import { CryptoError } from './errors.js'
import { hkdf, importHkdfKey } from './hash.js'
import { MAX_ITERATIONS, MIN_ITERATIONS, pbkdf2 } from './pbkdf2.js'
import { parseRecoveryCode } from './recovery-code.js'
import { randomBytes, type CryptoKey, type Random } from './web-crypto.js'

/** What opens a key backup: a recovery code, or a passphrase. Never the account's password: the server sees that. */
export type BackupSecret = { readonly recoveryCode: string } | { readonly passphrase: string }

/** Characters of a passphrase, for a server that has the backup may guess as long as it likes. */
const PASSPHRASE_LENGTH = { least: 12, most: 1024 }
const KEY_INFO = encodeUtf8('secure-chat/v1 key-backup')
const COMMITMENT_INFO = encodeUtf8('secure-chat/v1 key-backup commitment')

/**
 * Seal what is to outlive a user's devices (protocol, "Key backup").
 *
 * @param options `iterations` of PBKDF2 for a passphrase, 600,000 (as is) to 10,000,000
 * @throws {CryptoError} `bad-recovery-code`, `bad-passphrase` (under 12 characters, or over 1,024), `too-large`
 */
export async function sealBackup(
  content: Uint8Array,
  secret: BackupSecret,
  { iterations = MIN_ITERATIONS, random = randomBytes }: { iterations?: number; random?: Random } = {}
): Promise<Uint8Array> {
  if ('passphrase' in secret) requireValidPassphrase(secret.passphrase, iterations)
  const [salt, iv] = [random(SALT_BYTES), random(IV_BYTES)]
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
 * Open a key backup.
 *
 * @throws {CryptoError} `bad-backup` if it is none, was tampered with, or is of the other kind; `wrong-secret` if it
 *   is not of this code or passphrase (or its header was tampered with); `bad-recovery-code` for a mistyped one
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
    throw new CryptoError('wrong-secret', `The ${secretNames[header.kind]} is not the one of this backup.`)
  try {
    return await decrypt(key, header.iv, blob.subarray(length), blob.subarray(0, length))
  } catch (cause) {
    throw new CryptoError('bad-backup', 'The key backup is not what was sealed.', { cause })
  }
}

/** What opens a key backup. @throws {CryptoError} `bad-backup` if it is none */
export function backupKind(blob: Uint8Array): BackupHeader['kind'] {
  return decodeBackupHeader(blob).header.kind
}

const secretNames = { 'recovery-code': 'recovery code', passphrase: 'passphrase' }

/** The key, and its commitment: without that a blob might be made that several passphrases open. */
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
  const { least, most } = PASSPHRASE_LENGTH
  const length = [...passphrase.normalize('NFC')].length
  if (length < least || length > most)
    throw new CryptoError('bad-passphrase', `A passphrase has ${least} to ${most} characters, not ${length}.`)
  if (!Number.isInteger(iterations) || iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS)
    throw new CryptoError(
      'bad-passphrase',
      `PBKDF2 takes ${MIN_ITERATIONS} to ${MAX_ITERATIONS} iterations here.`
    )
}
