import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { emptyDataDir } from '../test/support/empty-database.js'
import type { Postgres } from '../test/support/postgres.js'
import { dieTogether, startServer, type Scope } from '../test/support/server-process.js'
import type { StandIn } from './stand-in.js'
import { makeWorld, type World } from './world.js'

/** A server under load in its own process, and the users who may send to it. */
export interface Target extends World {
  port: number
  pid: number
}

/** Eight users, all of them members of eight conversations. */
const SENDERS = 8
const everybody = Array.from({ length: SENDERS }, (_, n) => n)
const eightConversations = everybody.map(() => everybody)

interface Population {
  users: number
  /** The members of each conversation. */
  groups: number[][]
}
const senders: Population = { users: SENDERS, groups: eightConversations }

/**
 * Starts our server as in production, on a new database: PostgreSQL, or PGlite if `pg` is null.
 *
 * @param prepare changes the PostgreSQL database before the server starts
 */
export async function startOurs(
  owner: Scope,
  pg: Postgres | null,
  { users, groups }: Population = senders,
  nodeOptions: string[] = [],
  prepare: (databaseUrl: string, world: World) => Promise<void> = () => Promise.resolve(),
  limits: Record<string, string> = {}
): Promise<Target> {
  const dataDir = pg === null ? await emptyDataDir(owner) : await temporaryFolder(owner)
  const databaseUrl = await pg?.newDatabase()
  const database = databaseUrl === undefined ? {} : { databaseUrl }
  // The load generator refreshes no tokens.
  const lifetime = { ACCESS_TOKEN_LIFETIME: '86400' }
  const env = {
    DATA_DIR: dataDir,
    ...lifetime,
    ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl })
  }
  const world = await makeWorld(env, users, groups)
  if (databaseUrl !== undefined) await prepare(databaseUrl, world)
  const server = await startServer(owner, {
    ...database,
    dataDir,
    nodeOptions,
    env: { MAX_CLIENTS: '100000', ...lifetime, ...limits }
  })
  return { ...world, port: server.port, pid: server.pid! }
}

export async function startStandIn(owner: Scope, kind: StandIn, pg: Postgres): Promise<Target> {
  const env = { RATE_LIMIT: 'off', DATABASE_URL: await pg.newDatabase() }
  const world = await makeWorld(env, senders.users, senders.groups)
  const child = fork(join(import.meta.dirname, 'stand-in.js'), [kind], { env })
  dieTogether(child)
  owner.teardown(() => child.kill())
  const [port] = (await once(child, 'message')) as [number]
  return { ...world, port, pid: child.pid! }
}

/** The cursor at the end of the log. */
export async function cursorOf({ port, tokens }: Target): Promise<string> {
  const headers = { authorization: `Bearer ${tokens[0]}` }
  const response = await fetch(`http://127.0.0.1:${port}/v1/events/page`, { headers })
  return ((await response.json()) as { cursor: string }).cursor
}

export async function temporaryFolder(owner: Scope): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'secure-chat-bench-'))
  owner.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Seconds of processor time that a process has used, in steps of 10 ms; NaN where there is no /proc. */
export function cpuSeconds(pid: number): number {
  const fields = proc(pid, 'stat').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Resident bytes of a process; NaN where there is no /proc. */
export function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(proc(pid, 'status'))?.[1]) * 1024
}

function proc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}
