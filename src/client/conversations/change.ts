import { statementText } from '../../protocol/statement-texts.js'
import type { Statement } from '../../protocol/statements.js'
import { signStatement } from '../../crypto/statements.js'
import Type from 'typebox'
import type { Core } from '../core.js'
import { retryOnConflict } from '../transport/retry.js'
import type { StoredConversation } from './record.js'
import type { StoredUser } from '../identity/user-record.js'

type Change =
  | Pick<Statement<'conversation-add'>, 'kind' | 'member'>
  | Pick<Statement<'conversation-role'>, 'kind' | 'member'>
  | Pick<Statement<'conversation-remove'>, 'kind' | 'username'>
  | Pick<Statement<'conversation-leave'>, 'kind'>

const TRIES = 4
const Link = Type.Object({ head: Type.String(), sequence: Type.Integer() })

/**
 * Sign a change of the members and have the server take it. When others were faster, it is built anew on what they
 * did.
 *
 * @param change what to say, given the chain as it is then; null if there is nothing left to do
 * @returns the room as it is known then
 */
export async function changeConversation(
  core: Core,
  id: string,
  change: (room: StoredConversation) => Promise<Change | null>
): Promise<StoredConversation> {
  return retryOnConflict(['stale-chain'], TRIES, async () => {
    const { room } = await core.rooms.sync(id)
    const what = await change(room)
    if (what === null) return room
    const { device } = core.identity.active()
    const text = statementText({
      ...what,
      conversation: id,
      sequence: room.sequence + 1,
      previous: room.head,
      by: device.signing.fingerprint
    })
    const statement = await signStatement(text, device.signing)
    const path = `/v1/conversations/${id}/chain`
    await core.tokens.call({ method: 'POST', path, body: { statement }, response: Link })
    return (await core.rooms.take(id, statement, room.sequence + 1)).room
  })
}

/**
 * In a direct conversation, take the other side in again after a reset whose identity was accepted: to go on with
 * them is what accepting meant.
 */
export async function renewalOf(
  core: Core,
  room: StoredConversation,
  users: readonly StoredUser[]
): Promise<StoredConversation> {
  const me = core.identity.username
  if (room.kind !== 'direct') return room
  const isStale = (username: string, now: StoredConversation): StoredUser | undefined =>
    users.find(
      (user) =>
        user.username === username &&
        now.members.some((member) => member.username === username && member.root !== user.root)
    )
  const other = room.members.find(({ username }) => username !== me)
  if (other === undefined || isStale(me, room) !== undefined || isStale(other.username, room) === undefined)
    return room
  return changeConversation(core, room.id, async (now) => {
    const user = isStale(other.username, now)
    const member = user && { username: user.username, role: other.role, root: user.root }
    return member === undefined ? null : { kind: 'conversation-add', member }
  })
}
