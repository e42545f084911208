import { hash } from 'node:crypto'
import { ChatError } from '../../errors.js'

/**
 * After its header line, a journal has a line for each transaction: its payload, then its secrets.
 *
 *     <length> <checksum> <text>[ <length> <checksum> <text>]… LF
 *
 * A length is that of the text in bytes, in 8 hex digits. A checksum is the SHA-256 (64 hex digits) of what
 * binds the part to its place, the length and the text. A payload is bound by the checksum of the payload
 * before it; the first by the SHA-256 of the header line. So no line can be changed or moved unseen. A secret
 * is bound by the checksum of its line's payload and its number in the line. It is erased in place: dashes
 * take the place of its checksum and its text.
 */
export interface JournalRecord {
  payload: string
  /** Checksum of the payload before it. */
  previous: string
  checksum: string
  secrets: StoredSecret[]
  /** The bytes of the whole line. */
  size: number
}

export interface StoredSecret {
  /** Null if it has been erased, wholly or in part, or damaged. */
  text: string | null
  /** The bytes to erase, counted from the beginning of the line. */
  span: Span
  isErased: boolean
}

export interface Span {
  at: number
  size: number
}

export interface Part {
  bytes: Buffer
  checksum: string
}

const [LF, SPACE, DASH] = Buffer.from('\n -')
const LENGTH_DIGITS = 8
const CHECKSUM_DIGITS = 64
const HEAD_BYTES = LENGTH_DIGITS + 1 + CHECKSUM_DIGITS + 1

/** For one transaction: far more than a client needs. */
const MAX_LINE_BYTES = 0x4000000

/** This many zeros at the end are a power cut: the file system stored the new length, but not the bytes. */
const UNWRITTEN_BYTES = 16

export function sha256(data: string | Buffer): string {
  return hash('sha256', data)
}

/** @param binding ties the part to its place in the journal */
export function formatPart(text: string, binding: string): Part {
  const length = Buffer.byteLength(text).toString(16).padStart(LENGTH_DIGITS, '0')
  const checksum = sha256(binding + length + text)
  return { bytes: Buffer.from(`${length} ${checksum} ${text}`), checksum }
}

/** @param checksum of the line's payload */
export function secretBinding(checksum: string, number: number): string {
  return `${checksum} ${number} `
}

/**
 * @returns the line, and the bytes to erase for each secret, counted from the beginning of the line
 * @throws {ChatError} `update-too-large`
 */
export function formatLine(payload: Part, secrets: readonly Part[]): { bytes: Buffer; spans: Span[] } {
  const spans: Span[] = []
  const pieces = [payload.bytes]
  let size = payload.bytes.length
  for (const { bytes } of secrets) {
    spans.push(secretSpan(size + 1, bytes.length))
    pieces.push(Buffer.from(' '), bytes)
    size += 1 + bytes.length
  }
  if (size >= MAX_LINE_BYTES)
    throw new ChatError('store', 'update-too-large', 'One update of the key store is too large.')
  return { bytes: Buffer.concat([...pieces, Buffer.from('\n')]), spans }
}

/** What takes the place of an erased secret. */
export function blank({ size }: Span): Buffer {
  return Buffer.alloc(size, DASH)
}

/**
 * Read whole records. A last one that is cut off is left out.
 *
 * @param previous checksum of the payload before them, or of the header
 * @throws {ChatError} `store-damaged`
 */
export function readRecords(bytes: Buffer, previous: string): JournalRecord[] {
  const written = withoutUnwritten(bytes)
  const records: JournalRecord[] = []
  for (let size = 0; ;) {
    const line = lineAt(written, size)
    if (line === null) return records
    const record = parseLine(line, previous)
    records.push(record)
    size += record.size
    previous = record.checksum
  }
}

function parseLine(line: Buffer, previous: string): JournalRecord {
  const payload = checkedText(partAt(line, 0), previous)
  if (payload === null) throw damaged('a checksum is wrong')
  const { checksum, bytes } = formatPart(payload, previous)
  const secrets: StoredSecret[] = []
  let end = bytes.length
  while (line[end] === SPACE) {
    const part = partAt(line, end + 1)
    const span = secretSpan(end + 1, part.length)
    const text = checkedText(part, secretBinding(checksum, secrets.length))
    secrets.push({ text, span, isErased: blank(span).equals(line.subarray(span.at, span.at + span.size)) })
    end += 1 + part.length
  }
  if (end !== line.length - 1) throw damaged('a line has no end')
  return { payload, previous, checksum, secrets, size: line.length }
}

/** @throws {ChatError} `store-damaged` if there is no whole part */
function partAt(line: Buffer, start: number): Buffer {
  const end = partEnd(line, start)
  if (end >= line.length) throw damaged('a line is too short')
  return line.subarray(start, end)
}

/** Where the part that begins at `start` ends, by its length. */
function partEnd(bytes: Buffer, start: number): number {
  const length = bytes.toString('latin1', start, start + LENGTH_DIGITS + 1)
  if (!/^[0-9a-f]{8} $/.test(length)) throw damaged('a line has no length')
  return start + HEAD_BYTES + Number(`0x${length.trim()}`)
}

function checkedText(part: Buffer, binding: string): string | null {
  const text = part.subarray(HEAD_BYTES).toString()
  return formatPart(text, binding).bytes.equals(part) ? text : null
}

function secretSpan(start: number, size: number): Span {
  const head = LENGTH_DIGITS + 1
  return { at: start + head, size: size - head }
}

/** Null at the end, or if the line is cut off: shorter than its lengths say. */
function lineAt(bytes: Buffer, start: number): Buffer | null {
  const lf = bytes.indexOf(LF!, start)
  if (lf !== -1) return bytes.subarray(start, lf + 1)
  for (let end = start; bytes.length - end > LENGTH_DIGITS; end++) {
    end = partEnd(bytes, end)
    if (end < bytes.length && bytes[end] !== SPACE) throw damaged('a line has no end')
  }
  return null
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
