import { isSecret } from '../secret-records.js'
import type { Seal } from './encryption.js'
import { formatLine, formatPart, secretBinding, type JournalRecord, type Part, type Span } from './records.js'
import type { Json } from './values.js'

/** The changes of a transaction, by name; undefined deletes an entry. */
export type JsonChanges = ReadonlyMap<string, Json | undefined>

/** A transaction as it stands in the file. */
export interface Line {
  size: number
  /** The checksum of its payload. */
  checksum: string
  changes: LineChange[]
}

export interface LineChange {
  name: string
  /** Undefined if the entry is deleted, or its secret can't be read. */
  value: Json | undefined
  /** Where its secret lies, counted from the beginning of the line; null if nothing is to be erased. */
  secret: Span | null
  isReadable: boolean
}

/** In the payload: deleted, public, or secret, with the number of the secret in the line. */
type StoredChange = [name: string] | [name: string, value: Json] | [name: string, value: null, secret: number]

/** @throws {ChatError} `update-too-large` */
export async function encodeLine(
  changes: JsonChanges,
  previous: string,
  seal: Seal | null
): Promise<Line & { bytes: Buffer }> {
  const secrets: string[] = []
  const stored = Array.from(changes, ([name, value]): StoredChange => {
    if (value === undefined) return [name]
    return isSecret(name) ? [name, null, secrets.push(JSON.stringify(value)) - 1] : [name, value]
  })
  const part = async (text: string, binding: string): Promise<Part> =>
    formatPart(seal === null ? text : await seal.seal(text, binding), binding)
  const payload = await part(JSON.stringify(stored), previous)
  const { checksum } = payload
  const parts = secrets.map((text, number) => part(text, secretBinding(checksum, number)))
  const { bytes, spans } = formatLine(payload, await Promise.all(parts))
  const placed = stored.map(([name, , secret]): LineChange => {
    return { name, value: changes.get(name), secret: spans[secret ?? -1] ?? null, isReadable: true }
  })
  return { bytes, size: bytes.length, checksum, changes: placed }
}

/** @returns null if the record was not written under this seal */
export async function decodeLine(record: JournalRecord, seal: Seal | null): Promise<Line | null> {
  const { payload, previous, checksum, secrets, size } = record
  const open = async (text: string | null, binding: string) =>
    text === null || seal === null ? text : seal.open(text, binding)
  const text = await open(payload, previous)
  if (text === null) return null
  const texts = await Promise.all(
    secrets.map(({ text }, number) => open(text, secretBinding(checksum, number)))
  )
  const changes = (JSON.parse(text) as StoredChange[]).map(([name, value, number]): LineChange => {
    if (number === undefined) return { name, value, secret: null, isReadable: true }
    const secret = secrets[number]
    const span = secret === undefined || secret.isErased ? null : secret.span
    const text = texts[number] ?? null
    return text === null
      ? { name, value: undefined, secret: span, isReadable: false }
      : { name, value: JSON.parse(text) as Json, secret: span, isReadable: true }
  })
  return { size, checksum, changes }
}
