import { randomBytes } from 'node:crypto'
import { readdirSync, readlinkSync, rmSync, statfsSync, symlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { makeFolder } from '../../node/durable-folder.js'
import { isAnswered, listenOn, stopListening } from './socket-file.js'

/** Another process holds the data directory, and it is alive. */
export class DataDirLocked extends Error {
  constructor(dataDir: string, holder: string) {
    super(
      `The data directory ${dataDir} is in use by ${holder}. Stop that first, or choose another DATA_DIR.`
    )
    this.name = 'DataDirLocked'
  }
}

export interface DataDirLock {
  /** Let the next one in. Harmless if called again. */
  release: () => Promise<void>
}

/** Where a second machine could open the same folder unseen. Numbers of statfs(2) on Linux. */
const networkFileSystems = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0x00c36400, 'Ceph']
])

/**
 * Hold a data directory alone, until `release` or the end of the process, however it ends. Makes it (0700) if need be.
 * Holds among all processes of one kernel, containers included: docs/decisions/0003-data-directory-lock.md.
 *
 * @param fileSystem the type of a path's file system, as statfs(2) numbers it
 * @throws {DataDirLocked} if somebody else holds it
 * @throws {Error} if there is no locking it, as on a network file system
 */
export async function lockDataDir(
  dataDir: string,
  fileSystem: (path: string) => number = (path) => statfsSync(path).type
): Promise<DataDirLock> {
  const folder = join(resolve(dataDir), 'lock')
  makeFolder(folder)
  const network = networkFileSystems.get(fileSystem(folder))
  if (network !== undefined)
    throw new Error(cannotLock(dataDir, `it is on a network file system (${network})`))
  try {
    for (;;) {
      const turn = lastTurn(folder)
      if (turn > 0 && (await isAnswered(folder, String(turn))))
        throw new DataDirLocked(dataDir, holderOf(folder, turn))
      const lock = await takeTurn(folder, turn + 1)
      if (lock !== undefined) return lock
    }
  } catch (cause) {
    if (cause instanceof DataDirLocked) throw cause
    throw new Error(cannotLock(dataDir, (cause as Error).message), { cause })
  }
}

function cannotLock(dataDir: string, why: string): string {
  return (
    `The data directory ${dataDir} cannot be locked: ${why}. ` +
    'Put it on a local disk (with Docker, a named volume), or set DATABASE_URL.'
  )
}

/** Turns count up, and the highest is never removed: who acts on old news can only claim a turn that is over. */
function lastTurn(folder: string): number {
  return Math.max(0, ...readdirSync(folder).filter(isTurn).map(Number))
}

function isTurn(name: string): boolean {
  return /^[1-9]\d{0,14}$/.test(name)
}

/** Undefined if somebody else was quicker. */
async function takeTurn(folder: string, turn: number): Promise<DataDirLock | undefined> {
  const name = newHolder()
  // It must answer before the claim can be seen: a turn that does not answer is taken to be over.
  const server = await listenOn(folder, name)
  try {
    if (claim(folder, turn, name)) {
      sweep(folder, turn, name)
      return { release: () => stopListening(server) }
    }
  } catch (error) {
    await stopListening(server)
    throw error
  }
  await stopListening(server)
  return undefined
}

function claim(folder: string, turn: number, name: string): boolean {
  const link = join(folder, String(turn))
  try {
    symlinkSync(name, link)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
  if (lastTurn(folder) === turn) return true
  rmSync(link, { force: true })
  return false
}

/** Remove what earlier holders left. A rival's socket may go with it: that rival has lost already. */
function sweep(folder: string, turn: number, name: string): void {
  for (const entry of readdirSync(folder)) {
    const isOver = isTurn(entry) ? Number(entry) < turn : entry.startsWith('holder-') && entry !== name
    if (isOver) rmSync(join(folder, entry), { force: true })
  }
}

function newHolder(): string {
  const host = hostname()
    .replaceAll(/[^A-Za-z0-9.]/g, '-')
    .slice(0, 20)
  return `holder-${ownPid()}-${host}-${randomBytes(4).toString('hex')}`
}

/** For the operator to read, and where Linux tells it: only `main.ts` looks at `process`. */
function ownPid(): string {
  try {
    return readlinkSync('/proc/self')
  } catch {
    return '0'
  }
}

function holderOf(folder: string, turn: number): string {
  try {
    const [, pid, host] =
      /^holder-(\d+)-(.*)-[0-9a-f]{8}$/.exec(readlinkSync(join(folder, String(turn)))) ?? []
    if (pid !== undefined) return `another process (${pid === '0' ? '' : `pid ${pid} `}on host ${host})`
  } catch {
    // It has just ended, and another turn with it.
  }
  return 'another process'
}
