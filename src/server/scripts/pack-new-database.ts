import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PGlite } from '@electric-sql/pglite'
import { NodeFS } from '@electric-sql/pglite/nodefs'
import { packDatabase } from '../db/new-database.js'
import { NEW_DATABASE } from '../files.js'

/** Run initdb and pack what it makes, unless that was done with this PGlite already. Takes some 5 s. */
const sources = ['@electric-sql/pglite', '../db/new-database.js']
const isNewer = (source: string) =>
  statSync(fileURLToPath(import.meta.resolve(source))).mtimeMs > statSync(NEW_DATABASE).mtimeMs
if (!existsSync(NEW_DATABASE) || sources.some(isNewer)) {
  const folder = mkdtempSync(`${NEW_DATABASE}-`)
  try {
    const made = join(folder, 'made')
    const packed = join(folder, 'packed')
    mkdirSync(made)
    const pglite = await PGlite.create({ fs: new NodeFS(made) })
    await pglite.close()
    writeFileSync(packed, packDatabase(made))
    renameSync(packed, NEW_DATABASE)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
