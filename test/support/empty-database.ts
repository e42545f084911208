import { createHash } from 'node:crypto'
import { cpSync, existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfig } from '../../src/server/config.js'
import { openDatabase } from '../../src/server/db/open.js'
import { MIGRATIONS_FOLDER } from '../../src/server/files.js'
import { createLogger } from '../../src/server/logger.js'
import type { Scope } from './server-process.js'

/** Seen from `build/test/support`. */
const root = join(import.meta.dirname, '../../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const contents = ['package-lock.json', 'drizzle/meta/_journal.json'].map(read).join('')

/** Beside the compiled tests, and gone with them. */
const template = join(
  root,
  `build/empty-database-${createHash('sha256').update(contents).digest('hex').slice(0, 16)}`
)

/**
 * Put a database without rows into a data directory: to make one takes seconds, to copy it a fraction of one.
 */
export async function copyEmptyDatabase(dataDir: string): Promise<void> {
  if (!existsSync(template)) {
    const made = await mkdtemp(`${template}-`)
    const { database: config } = readConfig({ DATA_DIR: made })
    const database = await openDatabase(config, createLogger('fatal'))
    await database.migrate(MIGRATIONS_FOLDER)
    await database.close()
    // The server uses one database of the three. With the others a copy takes three times as long.
    for (const oid of ['1', '4']) await rm(join(made, 'pgdata/base', oid), { recursive: true })
    // Another test file that started at the same time may have made it first.
    await rename(made, template).catch(() => rm(made, { recursive: true }))
  }
  // Five times as fast as `cp`.
  cpSync(join(template, 'pgdata'), join(dataDir, 'pgdata'), { recursive: true })
}

/** A data directory with an empty database, gone with the test. */
export async function emptyDataDir(owner: Scope): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'secure-chat-data-'))
  owner.teardown(() => rm(dataDir, { recursive: true, force: true, maxRetries: 10 }))
  await copyEmptyDatabase(dataDir)
  return dataDir
}
