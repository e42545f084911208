import { setTimeout as sleep } from 'node:timers/promises'

/**
 * SQLSTATEs of a database that is away, too busy, or takes no writes, unlike those of a wrong statement. 08P01
 * is a wrong one, too.
 */
const DOWN_STATE = /^(08(?!P01)...|53...|57P0.|57014|58...|55P03|40001|40P01|25006|25P03)$/
/** Errors of the operating system on the way to the database. */
const DOWN_ERRNO =
  /^(ECONN(REFUSED|RESET|ABORTED)|EPIPE|ETIMEDOUT|E(HOST|NET)(UNREACH|DOWN)|ENETRESET|EADDRNOTAVAIL|ENOTFOUND|EAI_AGAIN|ENOENT)$/
const DOWN_MESSAGE =
  /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Query read timeout|Cannot use a pool after|PGlite is clos/

/** The driver's error, without what Drizzle has wrapped around it. */
function root(error: unknown): {
  code?: unknown
  message?: unknown
  constraint?: unknown
  routine?: unknown
} {
  let at = error
  while (at instanceof Error && at.cause instanceof Error) at = at.cause
  return at instanceof Error ? at : {}
}

/** The database answers, but takes no writes: as a replica does, or after a failover the old primary. */
export class DatabaseReadOnly extends Error {
  /** The SQLSTATE of a write that it refuses. */
  readonly code = '25006'

  constructor() {
    super('it is read-only, as a replica is')
    this.name = 'DatabaseReadOnly'
  }
}

export function isDatabaseDown(error: unknown): boolean {
  const { code, message, routine } = root(error)
  // A pooler says this when it has no connection. PostgreSQL itself, which names its routine, got a wrong
  // message from this program.
  if (code === '08P01' && routine !== undefined) return false
  return (
    (typeof code === 'string' && (DOWN_STATE.test(code) || DOWN_ERRNO.test(code))) ||
    (typeof message === 'string' && DOWN_MESSAGE.test(message))
  )
}

/** The unique constraint that an INSERT has violated; null for any other error. */
export function duplicateOf(error: unknown): string | null {
  const { code, constraint } = root(error)
  return code === '23505' ? String(constraint) : null
}

/**
 * Do work that inserts. If another request has inserted the same meanwhile, do it again: now it finds the
 * row.
 */
export async function retryDuplicate<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (duplicateOf(error) === null) throw error
    return work()
  }
}

/** How often work is done that ends in a deadlock. The database takes a second to find one. */
const DEADLOCK_TRIES = 4
/** Those that were in each other's way do not begin again at the same moment. */
const DEADLOCK_PAUSE_MS = 50

/**
 * Do a transaction, or a statement that is one. If the database ends it because it and others wait for each other, it
 * has done nothing: do it again.
 */
export async function retryDeadlock<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++)
    try {
      return await work()
    } catch (error) {
      if (root(error).code !== '40P01' || tries === DEADLOCK_TRIES) throw error
      await sleep(Math.random() * DEADLOCK_PAUSE_MS)
    }
}

/** Whether the database user lacks the permission. */
export function isForbidden(error: unknown): boolean {
  return root(error).code === '42501'
}
