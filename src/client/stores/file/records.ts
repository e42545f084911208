import { ChatError } from '../../errors.js'
import { isSealParameters, type SealParameters } from './encryption.js'

/**
 * The text of a journal is a header line, then a line for each transaction:
 *
 *     <length> <checksum> <payload> LF
 *
 * The length of the payload in bytes has 8 hex digits. The checksum is the SHA-256 (64 hex digits) of the
 * checksum before it, the length and the payload; before the first stands the SHA-256 of the header line. So
 * no line can be changed or moved unseen.
 */
export interface Header {
  format: 'secure-chat-store'
  version: 1
  /** A new UUID each time the file is rewritten. */
  generation: string
  /** Null if the payloads are not encrypted. */
  seal: SealParameters | null
}

export interface JournalRecord {
  payload: string
  /** Checksum of the line before it. */
  previous: string
  /** The bytes of the whole line. */
  size: number
}

export interface Records {
  records: JournalRecord[]
  /** The bytes of all records. */
  size: number
  /** The checksum of the last record. */
  checksum: string
}

const LF = 10
const HEAD_BYTES = 8 + 1 + 64 + 1

/** 64 MiB for one payload: far more than a store needs. */
const MAX_PAYLOAD_BYTES = 0x4000000

/** This many zeros at the end are a power cut: the file system stored the new length, but not the bytes. */
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
 * Read whole records. A last one that is cut off is left out.
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

/** Null at the end, or if the line is cut off: shorter than its length says. */
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
