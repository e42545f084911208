import { and, eq, exists, inArray, isNull, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import Type from 'typebox'
import { PresencePage } from '../../../protocol/events.js'
import { UsernameInput, record, ref } from '../../../protocol/schema.js'
import type { App } from '../../http/app.js'
import { deviceSessionOf } from '../../access/auth.js'
import type { Db } from '../../db/database.js'
import { memberships, users } from '../../db/schema.js'
import { problemResponses } from '../../http/problem-responses.js'
import { Presence, type PresenceServices } from './presence.js'

const MAX_ASKED = 100

export function presenceRoutes(app: App, services: PresenceServices): void {
  const presence = new Presence(services)
  // Before `onClose`, which closes the database.
  app.addHook('preClose', () => presence.stop())

  app.get(
    '/presence',
    {
      schema: {
        operationId: 'getPresence',
        tags: ['presence'],
        summary: 'Online status of users who share a conversation with the caller',
        querystring: record({
          user: Type.Array(UsernameInput, {
            minItems: 1,
            maxItems: MAX_ASKED,
            description: 'A username. Repeat the parameter for several users.'
          })
        }),
        response: { 200: ref(PresencePage), ...problemResponses('device-required') }
      }
    },
    async (request) => {
      const asked = request.query.user.map((username) => username.toLowerCase())
      const visible = await contactsAmong(services.db, deviceSessionOf(request).userId, asked)
      const items = visible.map((user) => ({ ...user, online: presence.isOnline(user.userId) }))
      return { items, next: null }
    }
  )
}

/** The named users who share a conversation with the user, or are the user. */
function contactsAmong(db: Db, userId: string, usernames: string[]) {
  const mine = alias(memberships, 'mine')
  const theirs = alias(memberships, 'theirs')
  const shared = db
    .select({ one: sql`1` })
    .from(mine)
    .innerJoin(theirs, eq(theirs.conversationId, mine.conversationId))
    .where(
      and(eq(mine.userId, userId), isNull(mine.leftAt), eq(theirs.userId, users.id), isNull(theirs.leftAt))
    )
  return db
    .select({ userId: users.id, username: users.username })
    .from(users)
    .where(and(inArray(users.username, usernames), sql`(${users.id} = ${userId} or ${exists(shared)})`))
    .orderBy(users.username)
}
