import { ChatError } from '../../errors.js'
import { isSealParameters, type SealParameters } from './encryption.js'

/**
 * The header line of a journal. After it comes a line per transaction:
 *
 *     <length> <checksum> <payload> LF
 *
 * The length is that of the payload in bytes, as 8 hex digits. The checksum is the SHA-256 of the checksum before it
 * (for the first line, of the SHA-256 of the header line), the length and the payload, as 64 hex digits. So no line
 * can be changed or moved unnoticed.
 */
export interface Header {
  format: 'secure-chat-store'
  version: 1
  /** A new UUID whenever the file is rewritten. */
  generation: string
  /** Null if the payloads are not encrypted. */
  seal: SealParameters | null
}

export interface JournalRecord {
  payload: string
  /** Checksum of the line before it. */
  previous: string
  /** Bytes of the whole line. */
  size: number
}

export interface Records {
  records: JournalRecord[]
  /** Bytes of all lines. */
  size: number
  /** Of the last line. */
  checksum: string
}

const LF = 10
const HEAD_BYTES = 8 + 1 + 64 + 1

/** Bytes of one payload, 64 MiB: far more than needed. */
const MAX_PAYLOAD_BYTES = 0x4000000

/** This many zero bytes at the end are a sign of a power cut: the file system had the new length, but not the bytes. */
const UNWRITTEN_BYTES = 16

export async function formatHeader(header: Header): Promise<{ line: string; checksum: string }> {
  const line = `${JSON.stringify(header)}\n`
  return { line, checksum: await sha256Hex(line) }
}

/** @throws {ChatError} `store-damaged`, or `store-too-new` */
export async function readHeader(bytes: Buffer): Promise<{ header: Header; size: number; checksum: string }> {
  const size = bytes.indexOf(LF) + 1
  const line = bytes.subarray(0, size).toString()
  const header = parseHeader(line)
  return { header, size, checksum: await sha256Hex(line) }
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
  if (header.seal !== null && !isSealParameters(header.seal)) throw damaged('its first line is odd')
  return header as Header
}

/** @throws {ChatError} `store-full` if the payload is too long */
export async function formatRecord(
  payload: string,
  previous: string
): Promise<{ line: string; checksum: string }> {
  const bytes = Buffer.byteLength(payload)
  if (bytes > MAX_PAYLOAD_BYTES)
    throw new ChatError('store', 'store-full', 'The key store has grown too large.')
  const length = bytes.toString(16).padStart(8, '0')
  const checksum = await sha256Hex(previous + length + payload)
  return { line: `${length} ${checksum} ${payload}\n`, checksum }
}

/**
 * Read whole records. An incomplete one at the end is ignored.
 *
 * @param previous checksum of the line before them
 * @throws {ChatError} `store-damaged`
 */
export async function readRecords(bytes: Buffer, previous: string): Promise<Records> {
  const written = withoutUnwritten(bytes)
  const records: JournalRecord[] = []
  let size = 0
  for (;;) {
    const line = lineAt(written, size)
    if (line === null) return { records, size, checksum: previous }
    const payload = line.subarray(HEAD_BYTES, -1).toString()
    const formatted = await formatRecord(payload, previous)
    if (!line.equals(Buffer.from(formatted.line))) throw damaged('a checksum is wrong')
    records.push({ payload, previous, size: line.length })
    size += line.length
    previous = formatted.checksum
  }
}

/** The line that begins at `start`; null if the file ends there, or within the line. */
function lineAt(bytes: Buffer, start: number): Buffer | null {
  const end = bytes.indexOf(LF, start)
  if (end !== -1) return bytes.subarray(start, end + 1)
  const rest = bytes.subarray(start)
  if (rest.length < HEAD_BYTES || rest.length <= HEAD_BYTES + Number(`0x${rest.toString('latin1', 0, 8)}`))
    return null
  throw damaged('a line has no end')
}

function withoutUnwritten(bytes: Buffer): Buffer {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end -= 1
  return bytes.length - end < UNWRITTEN_BYTES ? bytes : bytes.subarray(0, end)
}

export function damaged(how: string): ChatError {
  return new ChatError('store', 'store-damaged', `The key store has been damaged: ${how}.`, {
    hint: 'Restore it from a copy, or register this device again.'
  })
}

async function sha256Hex(text: string): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(text))).toString('hex')
}
