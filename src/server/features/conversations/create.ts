import { eq } from 'drizzle-orm'
import { extendConversationChain } from '../../../protocol/conversation-chain.js'
import type { NewConversation } from '../../../protocol/conversations.js'
import { Problem } from '../../http/problem.js'
import { parseStatement } from '../../../protocol/statements.js'
import { lockUsers, requireSigningDevice } from '../../chains/signing-device.js'
import type { DeviceSession } from '../../access/auth.js'
import type { Tx } from '../../db/database.js'
import { conversationStatements, conversations, memberships } from '../../db/schema.js'
import { requireLine } from '../../chains/user-chain-store.js'
import { sha256Hex } from '../../chains/public-keys.js'
import { appendEvents } from '../../log/append-events.js'
import { acceptSessionKey, findSessionKey } from '../../chains/rosters.js'
import { readMembers, readStatements } from './queries.js'

/** Create a conversation, with its first session key if the request has one. @returns whether it is new */
export async function createConversation(
  tx: Tx,
  session: DeviceSession,
  body: NewConversation
): Promise<boolean> {
  const { text, signatures } = body.statement
  const statement = parseStatement(text, ['conversation-create'])
  requireLine('conversation', statement.conversation, body.id)
  const locked = await lockUsers(tx, [session.username, ...statement.members.map(({ username }) => username)])
  await requireSigningDevice(tx, session, statement.by, body.statement)

  const [present] = await readStatements(tx, body.id, 0, 1)
  if (present !== undefined) {
    const mine = (await readMembers(tx, [body.id])).some(({ userId }) => userId === session.userId)
    if (!mine || present.text !== text) throw new Problem('id-conflict')
    await requireSameKey(tx, body)
    return false
  }
  const roots = new Map([...locked].map(([username, { root }]) => [username, root]))
  const hash = sha256Hex(text)
  const chain = extendConversationChain(null, statement, hash, session.username, roots)
  const userId = (username: string) => locked.get(username)!.id
  const directKey =
    chain.kind === 'direct'
      ? statement.members
          .map(({ username }) => userId(username))
          .sort()
          .join(':')
      : null
  if (directKey !== null) await releaseDirectKey(tx, directKey, roots)

  await tx
    .insert(conversations)
    .values({ id: body.id, kind: chain.kind, chainSequence: 1, chainHead: hash, directKey })
  await tx.insert(conversationStatements).values({ conversationId: body.id, sequence: 1, text, signatures })
  const [position] = await appendEvents(tx, [
    {
      type: 'conversation.created',
      data: { conversationId: body.id, kind: chain.kind, statement: body.statement },
      to: { conversation: body.id }
    }
  ])
  await tx.insert(memberships).values(
    statement.members.map(({ username, role, root }) => ({
      conversationId: body.id,
      userId: userId(username),
      joinedAt: position!,
      role,
      root
    }))
  )
  if (body.sessionKey !== undefined)
    await appendEvents(tx, [
      await acceptSessionKey(tx, { id: body.id, chainHead: hash }, session, body.sessionKey)
    ])
  return true
}

/** @throws {Problem} `id-conflict` if a retry comes with another session key than the first try */
async function requireSameKey(tx: Tx, { id, sessionKey }: NewConversation): Promise<void> {
  if (sessionKey === undefined) return
  const stored = await findSessionKey(tx, id, sessionKey.id)
  if (stored?.text !== sessionKey.statement.text) throw new Problem('id-conflict')
}

/**
 * A direct conversation of two users exists once. If both have reset since, neither can sign for it any more,
 * and they may create a new one.
 *
 * @throws {Problem} `direct-exists`
 */
async function releaseDirectKey(
  tx: Tx,
  directKey: string,
  roots: ReadonlyMap<string, string>
): Promise<void> {
  const [present] = await tx
    .select()
    .from(conversations)
    .where(eq(conversations.directKey, directKey))
    .for('no key update')
  if (present === undefined) return
  const members = await readMembers(tx, [present.id])
  if (members.some(({ username, root }) => roots.get(username) === root))
    throw new Problem('direct-exists', undefined, { conversationId: present.id })
  await tx.update(conversations).set({ directKey: null }).where(eq(conversations.id, present.id))
}
