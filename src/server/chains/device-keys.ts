import type { DeviceBinding, UserStatement } from '../../protocol/statements.js'
import { readEncryptionKey, readKemKey, type KemKey, type PublicKey } from './public-keys.js'
import { requireLine } from './user-chain-store.js'

/** The public keys that session keys are wrapped with for a device. */
export interface EncryptionKeys {
  encryption: PublicKey
  /** Null for a device without a KEM key. */
  kem: KemKey | null
}

/** @throws {Problem} `invalid-key` */
export function readEncryptionKeys(
  { encryptionKey, kemKey }: { encryptionKey: string; kemKey?: string },
  smallestBits: number
): EncryptionKeys {
  return {
    encryption: readEncryptionKey(encryptionKey, smallestBits),
    kem: kemKey === undefined ? null : readKemKey(kemKey)
  }
}

/** @throws {RuleViolation} `invalid-statement` unless the statement names exactly these keys */
export function requireKeyLines(statement: DeviceBinding, { encryption, kem }: EncryptionKeys): void {
  requireLine('encryption-key', statement.encryptionKey, encryption.fingerprint)
  requireLine('kem-key', statement.kemKey, kem?.fingerprint ?? '-')
}

/** The columns of a device that a rekey replaces. */
export function keyColumns({ encryption, kem }: EncryptionKeys, encryptionVersion: number) {
  return {
    encryptionKey: encryption.pem,
    encryptionFingerprint: encryption.fingerprint,
    kemKey: kem?.bytes ?? null,
    kemFingerprint: kem?.fingerprint ?? '-',
    encryptionVersion
  }
}

/** The fingerprints of the keys that a statement binds to its device. */
export function boundBy(statement: UserStatement): string[] {
  if (statement.kind === 'device-revoke') return []
  const { kind, signingKey, encryptionKey, kemKey } = statement
  return [
    ...(kind === 'device-rekey' ? [] : [signingKey]),
    encryptionKey,
    ...(kemKey === '-' ? [] : [kemKey])
  ]
}
