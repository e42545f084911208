import { chmodSync, lstatSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { makeFolder } from '../node/durable-folder.js'
import { acquireLock, LockHeld, type Lock } from '../node/lock.js'
import { withSocketPath } from '../node/socket.js'
import type { App } from './http/app.js'
import { sendProblem } from './http/error-handler.js'
import { newApp } from './http/new-app.js'
import { Problem } from './http/problem.js'
import { adminRoutes, admitOperator } from './features/admin/routes.js'
import type { Services } from './services.js'

/** The usual place of the socket in the data directory. Nothing else is in its folder. */
const USUAL = join('admin', 'admin.sock')

/**
 * Serve the administration at a Unix socket, without a token: whoever may open its folder is the operator. If another
 * process serves it already, this one does not.
 *
 * @returns how to end it
 * @throws {Error} that says how to mend it, if `ADMIN_SOCKET` names a place that is not safe
 */
export async function openAdminSocket(services: Services): Promise<() => Promise<void>> {
  const { config, logger } = services
  const given = config.admin.socket
  if (given === 'off') return () => Promise.resolve()
  const path = resolve(given ?? join(config.database.dataDir, USUAL))
  try {
    return await serve(path, services, { isUsual: given === undefined })
  } catch (error) {
    if (error instanceof LockHeld)
      logger.info({ path, holder: error.holder }, 'another process serves the socket of the administration')
    else if (given === undefined)
      logger.warn(
        { path, reason: (error as Error).message },
        'there is no socket for the administration; admins can use HTTPS'
      )
    else throw error
    return () => Promise.resolve()
  }
}

async function serve(
  path: string,
  services: Services,
  { isUsual }: { isUsual: boolean }
): Promise<() => Promise<void>> {
  const folder = dirname(path)
  makeFolder(folder)
  requirePrivate(folder, isUsual)
  const lock = await takeLock(`${path}.lock`)
  try {
    removeStale(path)
    const app = newApp({ ...services, trustedProxies: false })
    app.setNotFoundHandler((request, reply) => sendProblem(request, reply, new Problem('not-found')))
    await app.register(
      async (admin: App) => {
        admitOperator(admin)
        adminRoutes(admin, services)
      },
      { prefix: '/v1/admin' }
    )
    // The folder keeps others out before the mode is set.
    await withSocketPath(folder, basename(path), (socket) => listen(app, socket))
    chmodSync(path, 0o600)
    return async () => {
      await app.close()
      rmSync(path, { force: true })
      await lock.release()
    }
  } catch (error) {
    await lock.release()
    throw error
  }
}

/** Without `exclusive`, a cluster's primary would listen in place of its worker. */
async function listen(app: App, path: string): Promise<void> {
  app.log.level = 'warn'
  await app.listen({ path, exclusive: true })
}

/** One of the processes that use a folder serves the socket. */
async function takeLock(folder: string): Promise<Lock> {
  makeFolder(folder)
  return acquireLock(folder, 0)
}

/**
 * Every user of the machine who can open the folder can do all that an admin can.
 *
 * @param isOurs nothing but the socket is there: the folder may be closed to others
 */
function requirePrivate(folder: string, isOurs: boolean): void {
  const found = lstatSync(folder)
  if (!found.isDirectory()) throw new Error(`${folder} is no folder. Choose another ADMIN_SOCKET.`)
  if (found.uid !== ownUid(folder))
    throw new Error(`${folder} belongs to another user. Choose another ADMIN_SOCKET.`)
  if ((found.mode & 0o077) === 0) return
  if (isOurs) return chmodSync(folder, 0o700)
  throw new Error(
    `${folder} is open to other users, and so would be the administration. ` +
      `Set ADMIN_SOCKET to a file in a folder of its own, and run: chmod 700 FOLDER`
  )
}

/** What a process that was killed has left. */
function removeStale(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) throw new Error(`${path} is no socket. Remove it, or choose another ADMIN_SOCKET.`)
  rmSync(path)
}

/** The user of this process: the owner of what it makes. */
function ownUid(folder: string): number {
  const made = mkdtempSync(join(folder, '.owner-'))
  try {
    return lstatSync(made).uid
  } finally {
    rmdirSync(made)
  }
}
