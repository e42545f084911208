import type { ChainRequest } from '../../protocol/conversation-chain.js'
import type { ConversationHistory } from '../../protocol/conversation-history.js'

/** A request of an event, and the user whose device has signed it. */
export interface ShownRequest {
  request: ChainRequest
  by: string
}

/** @param history has the request */
export function shownRequest(history: ConversationHistory, request: ChainRequest): ShownRequest {
  if ('key' in request) return { request, by: history.key(request.key.hash)!.username }
  const { sequence } = request.leave.statement
  const isLeaver = (name: string) =>
    history.memberAt(name, sequence - 1) !== undefined && history.memberAt(name, sequence) === undefined
  return { request, by: history.usernames.find(isLeaver)! }
}
