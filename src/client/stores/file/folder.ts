import { statSync } from 'node:fs'
import { makeFolder } from '../../../node/durable-folder.js'
import { ChatError } from '../../errors.js'

/**
 * Make a folder (0700) with all parents that are missing. They survive a power cut.
 *
 * @throws {ChatError} `store-exposed` if it exists, and others may enter it
 */
export function makePrivateFolder(folder: string): void {
  makeFolder(folder)
  requirePrivate(folder, statSync(folder).mode)
}

/**
 * Permissions that are too wide are not repaired in silence: somebody may have used them.
 *
 * @throws {ChatError} `store-exposed` unless only its owner may use a file or folder
 */
export function requirePrivate(path: string, mode: number): void {
  if ((mode & 0o077) === 0) return
  throw new ChatError('store', 'store-exposed', `Other users of this computer may have access to ${path}.`, {
    hint: `If nobody can have used that, go on after: chmod -R go= '${path}'`
  })
}
