import type { World } from '../callers.js'
import { accountRequests } from './accounts.js'
import { adminRequests } from './admin.js'
import { conversationRequests } from './conversations.js'
import { deviceRequests, lastRequests } from './devices.js'
import type { Requests } from './request.js'

/** For each operation a request of a caller, in the order of the matrix. */
export const operationRequests = async (world: World): Promise<Requests> => ({
  ...(await accountRequests(world)),
  ...conversationRequests(world),
  ...(await deviceRequests(world)),
  ...(await adminRequests(world)),
  ...lastRequests(world)
})
