import { isAcceptableCost, type Argon2Cost } from './argon2.js'
import { decodeHex, encodeHex, encodeUtf8 } from './encoding.js'
import { CryptoError } from './errors.js'
import { UUID } from '../protocol/ids.js'

export const SALT_BYTES = 32

/**
 * The start of a key backup, in the clear. It is additional data of the encryption, so it cannot be altered.
 */
export interface BackupHeader {
  /** The recovery device whose keys it holds: who cannot open the backup can tell whether it still counts. */
  readonly device: string
  /** The kind of secret that opens the backup. */
  readonly kind: 'recovery-code' | 'passphrase'
  /** The cost of Argon2id for a passphrase; null for a recovery code. */
  readonly cost: Argon2Cost | null
  readonly salt: Uint8Array
  readonly iv: Uint8Array
  readonly commitment: Uint8Array
}

const FIRST_LINE = 'secure-chat/v1 key-backup\n'
const number = '([1-9][0-9]{0,6})'
const form = new RegExp(
  `^${FIRST_LINE}device (${UUID})\n` +
    `kind (?:recovery-code|passphrase\nmemory ${number}\npasses ${number}\nlanes ${number})\n` +
    'salt ([0-9a-f]{64})\niv ([0-9a-f]{24})\ncommitment ([0-9a-f]{64})\n'
)
/** Upper bound of a header's length. */
const MAX_HEADER_BYTES = 364

/** Serialise a header (docs/protocol.md, "Key backup"). */
export function encodeBackupHeader({ device, kind, cost, salt, iv, commitment }: BackupHeader): Uint8Array {
  const work = cost === null ? '' : `memory ${cost.memory}\npasses ${cost.passes}\nlanes ${cost.lanes}\n`
  const rest = `salt ${encodeHex(salt)}\niv ${encodeHex(iv)}\ncommitment ${encodeHex(commitment)}\n`
  return encodeUtf8(`${FIRST_LINE}device ${device}\nkind ${kind}\n${work}${rest}`)
}

/**
 * Parse the header at the start of a key backup.
 *
 * @returns the header, and its length in bytes
 * @throws {CryptoError} `bad-backup` if there is none, or its cost is out of bounds
 */
export function decodeBackupHeader(blob: Uint8Array): { header: BackupHeader; length: number } {
  const start = Array.from(blob.subarray(0, MAX_HEADER_BYTES), (byte) => String.fromCharCode(byte)).join('')
  const match = form.exec(start)
  if (match === null)
    throw new CryptoError(
      'bad-backup',
      'This is not a key backup, or a newer version of the protocol made it.'
    )
  const [text, device, memory, passes, lanes, salt, iv, commitment] = match
  const cost =
    memory === undefined ? null : { memory: Number(memory), passes: Number(passes), lanes: Number(lanes) }
  if (cost !== null && !isAcceptableCost(cost))
    throw new CryptoError(
      'bad-backup',
      `The key backup takes ${memory} KiB, ${passes} passes and ${lanes} lanes, which is out of bounds.`
    )
  const header = {
    device: device!,
    kind: cost === null ? 'recovery-code' : 'passphrase',
    cost,
    salt: decodeHex(salt!),
    iv: decodeHex(iv!),
    commitment: decodeHex(commitment!)
  } as const
  return { header, length: text.length }
}
