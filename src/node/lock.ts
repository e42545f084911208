import { randomBytes } from 'node:crypto'
import { readdirSync, readlinkSync, rmSync, statfsSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { ChatError } from '../client/errors.js'
import { SocketFile, waitAtSocket } from './socket.js'
import { LOCK_TIMEOUT_MS, storeBusy } from '../client/stores/mutex.js'

/** NFS, SMB, CIFS and Ceph as statfs(2) numbers them: there a second computer could hold the same lock unseen. */
const networkFileSystems: readonly number[] = [0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x00c36400]

/**
 * Do `work` while no other process, nor another part of this one, does so with the same folder. The holder listens on
 * a socket in the folder, and the kernel hangs up when it ends, however it ends: who waits learns both at once, and
 * what a dead one left never needs mending. Holds among all processes of one kernel, containers included.
 *
 * Each holder takes the next turn, a link `<number>` to its socket. The highest link is never removed: who acts on old
 * news can only take a turn that is over, and sees that (docs/decisions/0003-data-directory-lock.md).
 *
 * @param patience how long to wait for others, in ms
 * @throws {ChatError} `store-busy` if that is not long enough
 */
export async function withLock<T>(
  folder: string,
  work: () => Promise<T>,
  patience = LOCK_TIMEOUT_MS
): Promise<T> {
  const deadline = performance.now() + patience
  for (;;) {
    const turn = lastTurn(folder)
    while (turn > 0 && !(await waitAtSocket(folder, String(turn), deadline - performance.now()))) {
      if (performance.now() >= deadline) throw storeBusy(holderOf(folder, turn), patience)
    }
    const socket = await takeTurn(folder, turn + 1)
    if (socket === undefined) continue
    try {
      return await work()
    } finally {
      await socket.close()
    }
  }
}

/** @throws {ChatError} `store-unlockable` if processes on other computers may use the folder too */
export function requireLockable(folder: string, fileSystem = (path: string) => statfsSync(path).type): void {
  if (!networkFileSystems.includes(fileSystem(folder))) return
  throw new ChatError(
    'store',
    'store-unlockable',
    `${folder} is on a network file system, which has no safe locks.`,
    {
      hint: 'Choose a folder on a disk of this computer.'
    }
  )
}

function lastTurn(folder: string): number {
  return Math.max(0, ...readdirSync(folder).filter(isTurn).map(Number))
}

function isTurn(name: string): boolean {
  return /^[1-9]\d{0,14}$/.test(name)
}

/** Undefined if somebody else was quicker. */
async function takeTurn(folder: string, turn: number): Promise<SocketFile | undefined> {
  const name = `holder-${ownPid()}-${randomBytes(4).toString('hex')}`
  // It must answer before the link can be seen: a turn that does not answer is taken to be over.
  const socket = await SocketFile.listen(folder, name)
  try {
    if (claim(folder, turn, name)) {
      sweep(folder, turn, name)
      return socket
    }
  } catch (error) {
    await socket.close()
    throw error
  }
  await socket.close()
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
    const isLeft = isTurn(entry) ? Number(entry) < turn : entry.startsWith('holder-') && entry !== name
    if (isLeft) rmSync(join(folder, entry), { force: true })
  }
}

/** For the reader of an error only: where the system tells it, as Linux does. */
function ownPid(): string {
  try {
    return readlinkSync('/proc/self')
  } catch {
    return '0'
  }
}

function holderOf(folder: string, turn: number): string {
  try {
    const pid = /^holder-([1-9]\d*)-/.exec(readlinkSync(join(folder, String(turn))))?.[1]
    if (pid !== undefined) return `another process (pid ${pid})`
  } catch {
    // It has just ended, and another turn with it.
  }
  return 'another process'
}
