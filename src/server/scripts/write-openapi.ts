import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildApp } from '../app.js'
import { readConfig } from '../config.js'
import { createLogger } from '../logger.js'
import { problemPages } from './problem-pages.js'
import { openServices } from '../services.js'

/**
 * Write the generated files: `openapi/openapi.json` from the routes, and `docs/problems.md` from the table of
 * problems.
 */
const dataDir = await mkdtemp(join(tmpdir(), 'secure-chat-openapi-'))
const services = await openServices(readConfig({ DATA_DIR: dataDir }), createLogger('silent'))
const app = await buildApp(services)
await app.ready()
await writeFile('openapi/openapi.json', `${JSON.stringify(app.swagger(), null, 2)}\n`)
await writeFile('docs/problems.md', problemPages())
await app.close()
await rm(dataDir, { recursive: true })
