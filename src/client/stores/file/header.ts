import { ChatError } from '../../errors.js'
import { isSealParameters, type Passphrase, type Seal, type SealParameters } from './encryption.js'
import { damaged, sha256 } from './records.js'

/** The first line of a journal. */
export interface Header {
  format: 'secure-chat-store'
  version: 1
  /** A new UUID each time the file is rewritten. */
  generation: string
  /** Null if the payloads are not encrypted. */
  seal: SealParameters | null
  /** The lines with which the file began, after this one. */
  lines: number
}

export function formatHeader(header: Header): { line: Buffer; checksum: string } {
  const line = Buffer.from(`${JSON.stringify(header)}\n`)
  return { line, checksum: sha256(line) }
}

/** @throws {ChatError} `store-damaged`, or `store-too-new` */
export function readHeader(bytes: Buffer): { header: Header; size: number; checksum: string } {
  const line = bytes.subarray(0, bytes.indexOf('\n') + 1)
  return { header: parseHeader(line.toString()), size: line.length, checksum: sha256(line) }
}

function parseHeader(line: string): Header {
  let header: Partial<Record<keyof Header, unknown>> | null
  try {
    header = JSON.parse(line) as typeof header
  } catch {
    throw damaged('its first line is not that of a key store')
  }
  if (header?.format !== 'secure-chat-store') throw damaged('its first line is not that of a key store')
  if (header.version !== 1) {
    throw new ChatError(
      'store',
      'store-too-new',
      'A newer version of this program has written the key store.',
      {
        hint: 'Update this program.'
      }
    )
  }
  const { seal, lines } = header
  if ((seal !== null && !isSealParameters(seal)) || !Number.isSafeInteger(lines) || (lines as number) < 1)
    throw damaged('its first line is odd')
  return header as Header
}

/** @throws {ChatError} `passphrase-needed`, `not-encrypted` */
export async function sealOf({ seal }: Header, passphrase: Passphrase | null): Promise<Seal | null> {
  if (seal !== null && passphrase === null) {
    throw new ChatError('store', 'passphrase-needed', 'The key store is encrypted under a passphrase.')
  }
  if (seal === null && passphrase !== null) {
    throw new ChatError('store', 'not-encrypted', 'The key store is not encrypted under a passphrase.', {
      hint: 'If it was, somebody has put another in its place. If it never was, open it without a passphrase.'
    })
  }
  return seal && passphrase!.sealOf(seal)
}
