import { randomBytes } from 'node:crypto'
import { readdirSync, readlinkSync, rmSync, statfsSync, symlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { roomForName, SocketFile, waitUntilSilent } from './socket.js'

export interface Lock {
  /** Let the next holder in. Harmless if called again. */
  release: () => Promise<void>
}

/** Another holder has the lock, and it is alive. */
export class LockHeld extends Error {
  /** Names it for the reader of a message: "another process (pid 7 on host web-1)". */
  readonly holder: string

  constructor(folder: string, holder: string) {
    super(`${folder} is locked by ${holder}.`)
    this.name = 'LockHeld'
    this.holder = holder
  }
}

/** File systems that a second machine could use at the same time, as statfs(2) on Linux numbers them. */
const networkFileSystems = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0x00c36400, 'Ceph']
])

/**
 * @param fileSystem the type of a path's file system, as statfs(2) numbers it
 * @returns the name of the network file system that `folder` is on, where this lock does not hold; else
 *   undefined
 */
export function networkFileSystem(
  folder: string,
  fileSystem: (path: string) => number = (path) => statfsSync(path).type
): string | undefined {
  return networkFileSystems.get(fileSystem(folder))
}

/**
 * Take the lock of a folder, which is used for nothing else. It is held until `release` or the end of the
 * process, however it ends, and excludes all processes of one kernel, containers included. A process cannot
 * take it twice.
 *
 * The holder listens on a socket in the folder. Each holder takes the next turn, a link `<number>` to its
 * socket. The highest link is never removed, so that a claim on old news is seen:
 * docs/decisions/0003-data-directory-lock.md.
 *
 * @param patience how long to wait for other holders, in ms
 * @throws {LockHeld} if that is not long enough
 */
export async function acquireLock(folder: string, patience: number): Promise<Lock> {
  const deadline = performance.now() + patience
  for (;;) {
    const turn = lastTurn(folder)
    while (turn > 0 && !(await waitUntilSilent(folder, String(turn), deadline - performance.now()))) {
      if (performance.now() >= deadline) throw new LockHeld(folder, holderOf(folder, turn))
    }
    const lock = await takeTurn(folder, turn + 1)
    if (lock !== undefined) return lock
  }
}

function lastTurn(folder: string): number {
  return Math.max(0, ...readdirSync(folder).filter(isTurn).map(Number))
}

function isTurn(name: string): boolean {
  return /^[1-9]\d{0,14}$/.test(name)
}

/** Undefined if another process was quicker. */
async function takeTurn(folder: string, turn: number): Promise<Lock | undefined> {
  // It must answer before the link can be seen: a turn that does not answer counts as over.
  const { name, socket } = await listenUnderNewName(folder)
  try {
    if (claim(folder, turn, name)) {
      sweep(folder, turn, name)
      return { release: () => socket.close() }
    }
  } catch (error) {
    await socket.close()
    throw error
  }
  await socket.close()
  return undefined
}

/** The kernel says that a name is in use, also if only its file is there. Then another name is tried. */
async function listenUnderNewName(folder: string, tries = 3): Promise<{ name: string; socket: SocketFile }> {
  const name = socketName(folder)
  try {
    return { name, socket: await SocketFile.listen(folder, name) }
  } catch (error) {
    if (tries === 1 || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    return listenUnderNewName(folder, tries - 1)
  }
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

/** Remove what earlier holders left. A rival's socket may go too: that rival has lost already. */
function sweep(folder: string, turn: number, name: string): void {
  for (const entry of readdirSync(folder)) {
    const isOver = isTurn(entry) ? Number(entry) < turn : entry.startsWith('holder-') && entry !== name
    if (isOver) rmSync(join(folder, entry), { force: true })
  }
}

/** Short, because a socket's path has little room. The host is cut before a long folder becomes unusable. */
function socketName(folder: string): string {
  const chance = randomBytes(4).toString('hex')
  const name = (host: string) => `holder-${ownPid()}-${host}-${chance}`
  const room = Math.max(0, Math.min(12, roomForName(folder) - name('').length))
  return name(
    hostname()
      .replaceAll(/[^A-Za-z0-9.]/g, '-')
      .slice(0, room)
  )
}

/** Only for the reader of a message. `process` belongs to the programs, and Linux tells it without. */
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
    // That turn has just ended, and a later one began.
  }
  return 'another process'
}
