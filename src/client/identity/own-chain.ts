import type { RefusedError } from '../errors.js'
import { sleep } from '../transport/abort.js'
import type { Api } from '../transport/api.js'
import { retryOnConflict } from '../transport/retry-on-conflict.js'
import type { OwnDevice } from './own-device.js'
import type { UserChains } from './user-chains.js'
import type { StoredUser } from './user-record.js'

const TRIES = 5
/** The shortest time after which a pending device signs again when the chain has moved on. */
const PENDING_DEVICE_MS = 1500

/**
 * Post a statement at the end of the user's own chain; again when another device was faster.
 *
 * @param post signs and posts the statement that follows the chain as it is then
 */
export function extendOwnChain(
  api: Api,
  users: UserChains,
  me: OwnDevice,
  post: (user: StoredUser) => Promise<void>
): Promise<void> {
  const pause = async ({ code }: RefusedError): Promise<void> => {
    if (code === 'invalid-signature') await sleep(PENDING_DEVICE_MS, api.closed)
  }
  const attempt = async (): Promise<void> => post((await users.sync(me.username)).user)
  return retryOnConflict(['stale-chain', 'invalid-signature'], TRIES, attempt, pause)
}
