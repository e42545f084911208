import { and, eq } from 'drizzle-orm'
import Type from 'typebox'
import { AccountChange, BlockPage, OwnUserResponse } from '../../../protocol/contacts.js'
import { USERNAME } from '../../../protocol/ids.js'
import { PageQuery, UsernameInput, record, ref } from '../../../protocol/schema.js'
import { lockOwnAccount } from '../../access/accounts.js'
import { deviceSessionOf } from '../../access/auth.js'
import { ownAccount, requireUser, userNotFound } from '../../chains/users.js'
import type { Tx } from '../../db/database.js'
import { blocks, users } from '../../db/schema.js'
import type { App } from '../../http/app.js'
import { pageOf } from '../../http/page.js'
import { problemResponses } from '../../http/problem-responses.js'
import { Problem } from '../../http/problem.js'
import { appendEvents, transaction } from '../../log/append-events.js'
import type { Services } from '../../services.js'
import { insertBlock, readBlocks } from './queries.js'

const params = record({ username: UsernameInput })

/** Who may begin a conversation with the caller. */
export function contactRoutes(app: App, services: Pick<Services, 'config' | 'db' | 'log'>): void {
  const { config, db } = services
  app.patch(
    '/users/me',
    {
      schema: {
        operationId: 'changeMe',
        tags: ['accounts'],
        summary: 'Say who may begin a conversation with the caller',
        body: ref(AccountChange),
        response: { 200: ref(OwnUserResponse), ...problemResponses('device-required') }
      }
    },
    async (request) => {
      const session = deviceSessionOf(request)
      const [user] = await db.transaction(async (tx) => {
        await lockOwnAccount(tx, session)
        return tx.update(users).set(request.body).where(eq(users.id, session.userId)).returning()
      })
      return ownAccount(user!)
    }
  )

  app.get(
    '/users/me/blocks',
    {
      schema: {
        operationId: 'listBlocks',
        tags: ['accounts'],
        summary: 'The users whom the caller has blocked',
        querystring: record(PageQuery),
        response: { 200: ref(BlockPage), ...problemResponses('device-required', 'invalid-cursor') }
      }
    },
    async (request) => {
      const { limit, cursor = '' } = request.query
      if (cursor !== '' && !new RegExp(`^${USERNAME}$`).test(cursor)) throw new Problem('invalid-cursor')
      const found = await readBlocks(db, deviceSessionOf(request).userId, cursor, limit + 1)
      const view = ({ username, createdAt }: (typeof found)[number]) => ({
        username,
        createdAt: createdAt.toISOString()
      })
      return pageOf(found, limit, view, ({ username }) => username)
    }
  )

  app.put(
    '/users/me/blocks/:username',
    {
      schema: {
        operationId: 'blockUser',
        tags: ['accounts'],
        summary: 'Block a user: no new conversations with the caller, and no presence',
        description: 'The user is not told. In common groups all goes on: clients hide the messages.',
        params,
        response: {
          204: Type.Null({ description: 'The user is blocked.' }),
          ...problemResponses('device-required', 'user-not-found', 'limit-reached')
        }
      }
    },
    async (request, reply) => {
      const session = deviceSessionOf(request)
      const blocked = await requireUser(db, request.params.username)
      // Nobody is there any more, and nothing would take the row away again.
      if (blocked.erasedAt !== null) userNotFound(blocked.username)
      if (blocked.username === session.username)
        throw new Problem('invalid-request', 'Nobody blocks themselves.')
      await transaction(services, async (tx) => {
        if (await insertBlock(tx, session, blocked.id, config.contacts.maxBlocks))
          await tellDevices(tx, session.userId, blocked, true)
      })
      return reply.status(204).send(null)
    }
  )

  app.delete(
    '/users/me/blocks/:username',
    {
      schema: {
        operationId: 'unblockUser',
        tags: ['accounts'],
        summary: 'Unblock a user',
        params,
        response: {
          204: Type.Null({ description: 'The user is not blocked.' }),
          ...problemResponses('device-required', 'user-not-found')
        }
      }
    },
    async (request, reply) => {
      const session = deviceSessionOf(request)
      const { userId } = session
      const other = await requireUser(db, request.params.username)
      await transaction(services, async (tx) => {
        await lockOwnAccount(tx, session)
        const own = and(eq(blocks.userId, userId), eq(blocks.blockedId, other.id))
        const gone = await tx.delete(blocks).where(own).returning({ id: blocks.blockedId })
        if (gone.length > 0) await tellDevices(tx, userId, other, false)
      })
      return reply.status(204).send(null)
    }
  )
}

async function tellDevices(
  tx: Tx,
  userId: string,
  { id, username }: { id: string; username: string },
  blocked: boolean
): Promise<void> {
  const data = { userId: id, username, blocked }
  await appendEvents(tx, [{ type: 'block.changed', data, to: { users: [userId] } }])
}
