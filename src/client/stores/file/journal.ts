import { existsSync } from 'node:fs'
import { link, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ChatError } from '../../errors.js'
import { syncPathAsync } from '../../../node/durable-folder.js'
import type { Passphrase, Seal } from './encryption.js'
import type { ReadonlySortedMap } from '../sorted-map.js'
import { Entries } from './entries.js'
import { eraseFile } from './erase.js'
import { requirePrivate } from './folder.js'
import { formatHeader, readHeader, sealOf } from './header.js'
import { decodeLine, encodeLine, type JsonChanges, type Line } from './line.js'
import {
  readBytes,
  sizeIfSame,
  unlessReplaced,
  withOpenFile,
  writeBytes,
  type OpenFile
} from './open-file.js'
import { blank, damaged, readRecords, type JournalRecord } from './records.js'
import type { Json } from './values.js'

/** How far a journal may grow beyond twice its first size before it is written again. */
const SLACK_BYTES = 0x10000

/** When a whole file is written, a line gets entries until it has as many characters of JSON. */
const LINE_CHARACTERS = 0x100000

/**
 * The file of a store: a header, lines with all entries, then a line for each transaction. It is only
 * appended to, or replaced as a whole; but secrets are erased in place. Only the holder of the store's lock
 * may write.
 */
export class Journal {
  readonly seal: Seal | null
  readonly #path: string
  readonly #file: OpenFile
  readonly #entries = new Entries()
  #checksum: string
  /** In bytes: the part that was read or written here, and the whole file. */
  #size: number
  #fileSize: number
  /** How many of the lines with which the file began were not read yet, and the size of those lines. */
  #firstLines: number
  #firstSize = 0
  #isSynced = true

  private constructor(
    path: string,
    file: OpenFile,
    seal: Seal | null,
    header: { size: number; checksum: string; lines: number }
  ) {
    this.#path = path
    this.#file = file
    this.seal = seal
    this.#checksum = header.checksum
    this.#size = header.size
    this.#fileSize = file.size
    this.#firstLines = header.lines
  }

  /**
   * @throws {ChatError} `store-damaged`, `store-too-new`, `store-exposed`, `wrong-passphrase`;
   *   `passphrase-needed` or `not-encrypted` if there should be one, or should not
   */
  static async open(path: string, passphrase: Passphrase | null): Promise<Journal> {
    for (;;) {
      const journal = await withOpenFile(path, 'r+', (file) => Journal.#read(path, file, passphrase))
      if (journal !== null) return journal
    }
  }

  /** @returns null if the file was replaced meanwhile */
  static async #read(path: string, file: OpenFile, passphrase: Passphrase | null): Promise<Journal | null> {
    requirePrivate(path, file.mode)
    // The process that renamed this file may have crashed before it synced the folder.
    // Sync now: we must not act on data that a power cut could undo.
    await syncPathAsync(dirname(path))
    const journal = await unlessReplaced(path, file, async () => {
      const bytes = await readBytes(file, 0, file.size)
      const { header, size, checksum } = readHeader(bytes)
      const records = readRecords(bytes.subarray(size), checksum)
      if (records.length < header.lines) throw damaged('it ends too early')
      const seal = await sealOf(header, passphrase)
      const journal = new Journal(path, file, seal, { size, checksum, lines: header.lines })
      await journal.#take(records)
      return (await journal.readOn()) ? journal : null
    })
    if (journal === null) await file.handle.close()
    return journal
  }

  /** Write a file that holds only `entries`, in place of the present one if there is one, which is erased. */
  static async write(path: string, entries: Iterable<[string, Json]>, seal: Seal | null): Promise<Journal> {
    const [draft, old] = sideFiles(path)
    await Promise.all([draft, old].map(eraseFile))
    return withOpenFile(draft, 'wx+', async (file) => {
      const lines = linesOf(entries)
      const { line, checksum } = formatHeader({
        format: 'secure-chat-store',
        version: 1,
        generation: crypto.randomUUID(),
        seal: seal?.parameters ?? null,
        lines: lines.length
      })
      await writeBytes(file, line, 0)
      const journal = new Journal(path, file, seal, { size: line.length, checksum, lines: lines.length })
      for (const line of lines) await journal.append(line)
      // A crash must not leave the old file without a name: the next process erases it.
      if (existsSync(path)) await link(path, old)
      await rename(draft, path)
      await syncPathAsync(dirname(path))
      await eraseFile(old)
      return journal
    })
  }

  get entries(): ReadonlySortedMap<Json> {
    return this.#entries.values
  }

  /** Whether the file ends in the middle of a line, as a crash leaves it. It cannot be appended to. */
  get isTorn(): boolean {
    return this.#fileSize > this.#size
  }

  /** Whether most of the journal is probably out of date. */
  get isOutgrown(): boolean {
    return this.#size > 2 * this.#firstSize + SLACK_BYTES
  }

  /** Whether something is to be erased, for example because a process crashed before it had done so. */
  get isUnclean(): boolean {
    return this.#entries.outdated.length > 0 || sideFiles(this.#path).some((path) => existsSync(path))
  }

  /**
   * Read the lines that other processes have appended.
   *
   * @returns false if the file has been replaced: this journal is out of date
   * @throws {ChatError} `store-damaged`
   */
  async readOn(): Promise<boolean> {
    const read = async () => {
      for (let before = -1; ;) {
        const size = sizeIfSame(this.#path, this.#file)
        if (size === null) return false
        if (size < this.#size) throw damaged('it has become shorter')
        this.#fileSize = size
        if (size > this.#size)
          await this.#take(readRecords(await readBytes(this.#file, this.#size, size), this.#checksum))
        // If another process has just erased a secret, a line further on deletes or replaces its entry.
        if (this.#entries.areWhole) return true
        if (size === before) throw damaged('a secret is not what it was')
        before = size
      }
    }
    return (await unlessReplaced(this.#path, this.#file, read)) ?? false
  }

  /**
   * Add a transaction. It lasts when this resolves. After a failure the file may be torn, or still hold it.
   * `erase` has to follow.
   */
  async append(changes: JsonChanges): Promise<void> {
    const line = await encodeLine(changes, this.#checksum, this.seal)
    await writeBytes(this.#file, line.bytes, this.#size)
    await this.#file.handle.datasync()
    this.#isSynced = true
    this.#apply(line)
    this.#fileSize = this.#size
  }

  /**
   * Erase the secrets that no entry has any more, and what a crash has left. It lasts with the next `append`,
   * or when the journal is closed: after a power cut before that, whoever opens the file erases them again.
   */
  async erase(): Promise<void> {
    const { outdated } = this.#entries
    if (outdated.length > 0) {
      await Promise.all(outdated.map((span) => writeBytes(this.#file, blank(span), span.at)))
      this.#entries.forgetOutdated()
      this.#isSynced = false
    }
    await Promise.all(sideFiles(this.#path).map(eraseFile))
  }

  async close(): Promise<void> {
    if (!this.#isSynced) await this.#file.handle.datasync().catch(() => undefined)
    await this.#file.handle.close()
  }

  async #take(records: readonly JournalRecord[]): Promise<void> {
    if (records.length === 0) return
    // The process that wrote this may have crashed before it synced: see `open`.
    await this.#file.handle.datasync()
    for (const line of await Promise.all(records.map((record) => decodeLine(record, this.seal)))) {
      if (line !== null) this.#apply(line)
      else if (this.#firstSize > 0) throw damaged('a line was not written under its passphrase')
      else throw new ChatError('store', 'wrong-passphrase', 'This is not the passphrase of the key store.')
    }
  }

  #apply({ size, checksum, changes }: Line): void {
    for (const change of changes) this.#entries.apply(change, this.#size)
    this.#size += size
    this.#checksum = checksum
    if (this.#firstLines > 0 && --this.#firstLines === 0) this.#firstSize = this.#size
  }
}

/** The files beside a journal that is being replaced: its draft, and the old one. */
function sideFiles(path: string): [draft: string, old: string] {
  return [`${path}.new`, `${path}.old`]
}

/** The entries of a whole file, line by line. There is always a line. */
function linesOf(entries: Iterable<[string, Json]>): Map<string, Json>[] {
  const lines = [new Map<string, Json>()]
  let characters = 0
  for (const [name, value] of entries) {
    if (characters > LINE_CHARACTERS) {
      lines.push(new Map())
      characters = 0
    }
    lines.at(-1)!.set(name, value)
    characters += JSON.stringify(value).length
  }
  return lines
}
