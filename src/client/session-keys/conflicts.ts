import { ChatError, CONFLICTS, isRefusal, RefusedError } from '../errors.js'

/** A conflict that needs no server to be seen. */
export function conflict(): RefusedError {
  return new RefusedError(409, { type: '/problems/stale-chain' }, null)
}

/** A device whose keys the server does not show may have gone since its user's chain was looked at. */
export function isConflict(error: unknown): boolean {
  return isRefusal(error, ...CONFLICTS) || (error instanceof ChatError && error.code === 'missing-key')
}
