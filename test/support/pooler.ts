import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runAs } from './postgres-binaries.js'
import { findProgram, startDaemon } from './programs.js'
import { freePort, type Scope } from './server-process.js'

/** Fewer than its clients have open, so that they take turns on them. */
const CONNECTIONS = 4

/**
 * A PgBouncer in transaction mode before the PostgreSQL at this address; a text is the reason why there is
 * none.
 * @returns the address of the same database through it
 */
export async function startPooler(owner: Scope, databaseUrl: string): Promise<{ url: string } | string> {
  const program = findProgram('pgbouncer')
  if (typeof program === 'string') return program
  const database = new URL(databaseUrl)
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'secure-chat-pooler-'))
  owner.teardown(() => rm(folder, { recursive: true, force: true }))
  const password = database.password === '' ? '' : ` password=${database.password}`
  const file = join(folder, 'pgbouncer.ini')
  await writeFile(
    file,
    `[databases]
* = host=${database.hostname} port=${database.port || 5432} user=${database.username}${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${CONNECTIONS}
max_client_conn = 1000
`
  )
  await chmod(folder, 0o755)
  await startDaemon(owner, port, program.path, ['--quiet', file], runAs())
  database.host = `127.0.0.1:${port}`
  return { url: database.href }
}
