/**
 * SQLSTATEs and system errors of a database that is away or too busy, unlike those of a wrong statement. 08P01
 * is a wrong one, too.
 */
const DOWN =
  /^(08(?!P01)...|53...|57P0.|57014|55P03|40001|40P01|25P03|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|ENOENT)$/
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

export function isDatabaseDown(error: unknown): boolean {
  const { code, message, routine } = root(error)
  // A pooler says this when it has no connection. PostgreSQL itself, which names its routine, got a wrong
  // message from this program.
  if (code === '08P01' && routine !== undefined) return false
  return (
    (typeof code === 'string' && DOWN.test(code)) ||
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

/** Whether the database user lacks the permission. */
export function isForbidden(error: unknown): boolean {
  return root(error).code === '42501'
}
