import { randomBytes } from 'node:crypto'
import { closeSync, fstatSync, linkSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder, syncPath } from '../../node/durable-folder.js'

/**
 * The secret in `<dataDir>/<name>` (mode 0600), made at first use. Processes that start together get the same
 * one.
 *
 * @param random makes `size` random bytes
 * @returns 32 bytes in base64url without padding: 43 characters
 * @throws {Error} that says how to fix it, if others can read the file or it holds no such secret
 */
export function loadSecret(
  dataDir: string,
  name: string,
  random: (size: number) => Buffer = randomBytes
): string {
  const path = join(dataDir, name)
  return read(path) ?? create(dataDir, path, random)
}

function read(path: string): string | undefined {
  const fd = open(path)
  if (fd === undefined) return undefined
  try {
    const { mode } = fstatSync(fd)
    if ((mode & 0o077) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, '0')
      throw new Error(
        `${path} must be for its owner only, but has mode ${octal}. If nobody else can have read it, run: chmod 600 ${path}. ` +
          'In Kubernetes, `fsGroup` opens all files of a volume to a group at each start: ' +
          'set fsGroupChangePolicy: OnRootMismatch, or JWT_SECRET_FILE.'
      )
    }
    return parse(readFileSync(fd, 'utf8'), path)
  } finally {
    closeSync(fd)
  }
}

function open(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function parse(text: string, path: string): string {
  const value = text.trimEnd()
  const bytes = Buffer.from(value, 'base64url')
  if (bytes.length === 32 && bytes.toString('base64url') === value) return value
  throw new Error(
    `${path} does not hold 32 bytes in base64url. Restore it from a backup; or delete it, and a new one is made: ` +
      'what the old one has signed or sealed is then void.'
  )
}

/** Not written in place: a reader finds a whole secret or none, and the first of several writers wins. */
function create(dataDir: string, path: string, random: (size: number) => Buffer): string {
  makeFolder(dataDir)
  const value = random(32).toString('base64url')
  const unfinished = `${path}.new-${randomBytes(6).toString('hex')}`
  try {
    writeFileSync(unfinished, `${value}\n`, { mode: 0o600, flag: 'wx', flush: true })
    linkSync(unfinished, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(unfinished, { force: true })
  }
  syncPath(dataDir)
  return read(path) ?? value
}
