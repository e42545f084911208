import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import { syncPath } from '../../node/durable-folder.js'
import { NEW_DATABASE } from '../files.js'
import type { Fsync } from './durable-fs.js'

/** Begins the packed bytes, as one line of JSON. The contents of the files follow, in this order. */
interface List {
  folders: string[]
  files: [path: string, size: number][]
}

/** The three databases of a cluster are nearly equal: a window of 16 MiB sees that, at a third of gzip's size. */
const PARAMS = { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_LGWIN]: 24 }

export function packDatabase(folder: string): Uint8Array {
  const list: List = { folders: [], files: [] }
  const contents: Uint8Array[] = []
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    if (statSync(join(folder, path)).isDirectory()) {
      list.folders.push(path)
    } else {
      const content = readFileSync(join(folder, path))
      list.files.push([path, content.length])
      contents.push(content)
    }
  }
  const bytes = Buffer.concat([Buffer.from(`${JSON.stringify(list)}\n`), ...contents])
  return brotliCompressSync(bytes, { params: PARAMS })
}

/**
 * Fill an empty folder with a new database, private to its owner (0600, folders 0700), which survives a power
 * cut. Blocks for some 0.6 s.
 *
 * @throws {Error} if the build has not packed one
 */
export function unpackNewDatabase(folder: string, fsync: Fsync): void {
  if (!existsSync(NEW_DATABASE)) throw new Error(`${NEW_DATABASE} is missing. Make it with npm run build.`)
  const bytes = brotliDecompressSync(readFileSync(NEW_DATABASE))
  const start = bytes.indexOf('\n') + 1
  const { folders, files } = JSON.parse(bytes.toString('utf8', 0, start)) as List
  for (const path of folders) mkdirSync(join(folder, path), { mode: 0o700 })
  let at = start
  for (const [path, size] of files) {
    writeFileSync(join(folder, path), bytes.subarray(at, at + size), { mode: 0o600 })
    at += size
  }
  // Once all are written, the first fsync takes most of the others along.
  for (const path of [...files.map(([path]) => path), ...folders, '.']) syncPath(join(folder, path), fsync)
}
