import { cpSync, existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openPglite } from '../../src/server/db/pglite.js'
import type { Owner } from './server-process.js'

/** Seen from `build/test/support`. */
const root = join(import.meta.dirname, '../../..')
const pglite = readFileSync(join(root, 'node_modules/@electric-sql/pglite/package.json'), 'utf8')
const { version } = JSON.parse(pglite) as { version: string }

/** Beside the compiled tests, and gone with them. */
const template = join(root, `build/empty-database-${version}`)

/** Put an empty database into a data directory: PostgreSQL takes seconds to make one, a copy a fraction of one. */
export async function copyEmptyDatabase(dataDir: string): Promise<void> {
  if (!existsSync(template)) {
    const made = await mkdtemp(`${template}-`)
    await (await openPglite(made)).close()
    // Of several test files that start together one comes first.
    await rename(made, template).catch(() => rm(made, { recursive: true }))
  }
  // Five times as fast as `cp`.
  cpSync(join(template, 'pgdata'), join(dataDir, 'pgdata'), { recursive: true })
}

/** A data directory with an empty database, gone with the test. */
export async function emptyDataDir(owner: Owner): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'secure-chat-data-'))
  owner.teardown(() => rm(dataDir, { recursive: true, force: true, maxRetries: 10 }))
  await copyEmptyDatabase(dataDir)
  return dataDir
}
