import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildApp } from '../app.js'
import { readConfig } from '../config.js'
import { createLogger } from '../logger.js'
import { toOpenApi30, toOpenApi32 } from './openapi-versions.js'
import { limitsPage } from './limits-page.js'
import { problemPages } from './problem-pages.js'
import { openServices } from '../services.js'

/**
 * Write the generated files: the OpenAPI document from the routes, in three versions, `docs/problems.md`
 * from the table of problems, and `docs/limits.md` from the limits.
 */
const dataDir = await mkdtemp(join(tmpdir(), 'secure-chat-openapi-'))
const services = await openServices(readConfig({ DATA_DIR: dataDir }), createLogger('silent'))
const app = await buildApp(services)
await app.ready()
const document = app.swagger()
const versions = {
  openapi: document,
  'openapi-3.0': toOpenApi30(document),
  'openapi-3.2': toOpenApi32(document)
}
for (const [name, version] of Object.entries(versions))
  await writeFile(`openapi/${name}.json`, `${JSON.stringify(version, null, 2)}\n`)
await writeFile('docs/problems.md', problemPages())
await writeFile('docs/limits.md', limitsPage())
await app.close()
await rm(dataDir, { recursive: true })
