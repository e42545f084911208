import { statSync } from 'node:fs'
import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ChatError } from '../../errors.js'
import { syncPathAsync } from '../../../node/durable-folder.js'
import { requirePrivate } from './folder.js'
import {
  damaged,
  formatHeader,
  formatRecord,
  readHeader,
  readRecords,
  type Header,
  type JournalRecord,
  type Records
} from './records.js'
import type { Passphrase, Seal } from './encryption.js'
import type { Json } from './values.js'
import { applyChanges } from '../transaction.js'

/** The changes of a transaction, by name; undefined deletes an entry. */
export type JsonChanges = ReadonlyMap<string, Json | undefined>

/** How far a journal may grow beyond twice its first size before it is written again. */
const SLACK_BYTES = 0x10000

/**
 * The file of a store: a line with all entries, then a line for each transaction. It is only appended to, or
 * replaced as a whole. Only the holder of the store's lock may write.
 */
export class Journal {
  readonly entries = new Map<string, Json>()
  readonly seal: Seal | null
  readonly #path: string
  readonly #handle: FileHandle
  readonly #file: { dev: bigint; ino: bigint }
  #checksum: string
  /**
   * In bytes: the part that was read or written here, the whole file, and the file when it was first written.
   */
  #size: number
  #fileSize: number
  #firstSize = 0

  private constructor(
    path: string,
    seal: Seal | null,
    file: OpenFile,
    head: { size: number; checksum: string }
  ) {
    this.#path = path
    this.seal = seal
    this.#handle = file.handle
    this.#file = file
    this.#checksum = head.checksum
    this.#size = head.size
    this.#fileSize = head.size
  }

  /**
   * @throws {ChatError} `store-damaged`, `store-too-new`, `store-exposed`, `wrong-passphrase`;
   *   `passphrase-needed` or `not-encrypted` if there should be one, or should not
   */
  static async open(path: string, passphrase: Passphrase | null): Promise<Journal> {
    return withOpenFile(path, 'r+', async (file) => {
      requirePrivate(path, file.mode)
      // The process that renamed this file may have crashed before it synced the folder.
      // Sync now: we must not act on data that a power cut could undo.
      await syncPathAsync(dirname(path))
      const bytes = await readBytes(file.handle, 0, file.size)
      const { header, ...head } = await readHeader(bytes)
      const read = await readRecords(bytes.subarray(head.size), head.checksum)
      const [first] = read.records
      if (first === undefined) throw damaged('it ends too early')
      const seal = await sealOf(header, passphrase)
      if (seal !== null && (await seal.open(first.payload, first.previous)) === null) {
        throw new ChatError('store', 'wrong-passphrase', 'This is not the passphrase of the key store.')
      }
      const journal = new Journal(path, seal, file, head)
      await journal.#take(read)
      return journal
    })
  }

  /** Write a file that holds only `entries`, in place of the present one if there is one. */
  static async write(path: string, entries: Iterable<[string, Json]>, seal: Seal | null): Promise<Journal> {
    const draft = `${path}.new`
    await rm(draft, { force: true })
    return withOpenFile(draft, 'wx+', async (file) => {
      const generation = crypto.randomUUID()
      const { line, checksum } = await formatHeader({
        format: 'secure-chat-store',
        version: 1,
        generation,
        seal: seal?.parameters ?? null
      })
      await writeBytes(file.handle, line, 0)
      const journal = new Journal(path, seal, file, { size: Buffer.byteLength(line), checksum })
      await journal.append(new Map(entries))
      await rename(draft, path)
      await syncPathAsync(dirname(path))
      return journal
    })
  }

  /** Whether the file ends in the middle of a line, as a crash leaves it. It cannot be appended to. */
  get isTorn(): boolean {
    return this.#fileSize > this.#size
  }

  /** Whether most of the journal is probably out of date. */
  get isOutgrown(): boolean {
    return this.#size > 2 * this.#firstSize + SLACK_BYTES
  }

  /**
   * Read the lines that other processes have appended.
   *
   * @returns false if the file has been replaced: this journal is out of date
   * @throws {ChatError} `store-damaged`
   */
  async readOn(): Promise<boolean> {
    // Every read begins with this, and the thread pool would take ten times as long.
    const { dev, ino, size } = statSync(this.#path, { bigint: true })
    if (dev !== this.#file.dev || ino !== this.#file.ino) return false
    this.#fileSize = Number(size)
    if (this.#fileSize < this.#size) throw damaged('it has become shorter')
    if (this.#fileSize === this.#size) return true
    const bytes = await readBytes(this.#handle, this.#size, this.#fileSize)
    await this.#take(await readRecords(bytes, this.#checksum))
    return true
  }

  /**
   * Add a transaction. It lasts when this resolves. After a failure the file may be torn, or still hold it.
   */
  async append(changes: JsonChanges): Promise<void> {
    const payload = JSON.stringify(
      Array.from(changes, ([name, json]) => (json === undefined ? [name] : [name, json]))
    )
    const sealed = this.seal === null ? payload : await this.seal.seal(payload, this.#checksum)
    const { line, checksum } = await formatRecord(sealed, this.#checksum)
    await writeBytes(this.#handle, line, this.#size)
    await this.#handle.datasync()
    applyChanges(this.entries, changes)
    this.#size += Buffer.byteLength(line)
    this.#firstSize ||= this.#size
    this.#fileSize = this.#size
    this.#checksum = checksum
  }

  close(): Promise<void> {
    return this.#handle.close()
  }

  async #take({ records, size, checksum }: Records): Promise<void> {
    if (records.length === 0) return
    // The process that wrote this may have crashed before it synced: see `open`.
    await this.#handle.datasync()
    for (const changes of await Promise.all(records.map((record) => this.#parse(record)))) {
      applyChanges(this.entries, changes)
    }
    this.#firstSize ||= this.#size + records[0]!.size
    this.#size += size
    this.#checksum = checksum
  }

  async #parse({ payload, previous }: JournalRecord): Promise<JsonChanges> {
    const text = this.seal === null ? payload : await this.seal.open(payload, previous)
    if (text === null) throw damaged('a line was not written under its passphrase')
    return new Map((JSON.parse(text) as [string, Json?][]).map(([name, json]) => [name, json]))
  }
}

interface OpenFile {
  handle: FileHandle
  dev: bigint
  ino: bigint
  size: number
  mode: number
}

/** Open a file for the result of `use`, which closes it in the end; close it here if `use` fails. */
async function withOpenFile<T>(path: string, flags: string, use: (file: OpenFile) => Promise<T>): Promise<T> {
  const handle = await open(path, flags, 0o600)
  try {
    const { dev, ino, size, mode } = await handle.stat({ bigint: true })
    return await use({ handle, dev, ino, size: Number(size), mode: Number(mode) })
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function sealOf({ seal }: Header, passphrase: Passphrase | null): Promise<Seal | null> {
  if (seal !== null && passphrase === null) {
    throw new ChatError('store', 'passphrase-needed', 'The key store is encrypted under a passphrase.')
  }
  if (seal === null && passphrase !== null) {
    throw new ChatError(
      'store',
      'not-encrypted',
      'There is a passphrase, but the key store is not encrypted.',
      {
        hint: 'Open it without a passphrase; then it can be given one.'
      }
    )
  }
  return seal && passphrase!.sealOf(seal)
}

async function readBytes(handle: FileHandle, from: number, to: number): Promise<Buffer> {
  const bytes = Buffer.alloc(to - from)
  let done = 0
  while (done < bytes.length) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, from + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return bytes.subarray(0, done)
}

async function writeBytes(handle: FileHandle, text: string, at: number): Promise<void> {
  const bytes = Buffer.from(text)
  for (let done = 0; done < bytes.length;) {
    done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten
  }
}
