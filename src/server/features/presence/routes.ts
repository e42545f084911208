import Type from 'typebox'
import { PresencePage } from '../../../protocol/events.js'
import { UsernameInput, record, ref } from '../../../protocol/schema.js'
import type { App } from '../../http/app.js'
import { deviceSessionOf } from '../../access/auth.js'
import { problemResponses } from '../../http/problem-responses.js'
import { readContacts } from './queries.js'
import { Presence, type PresenceServices } from './presence.js'

export const MAX_ASKED = 100

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
      const { prepared } = services.database
      const visible = await readContacts(prepared, deviceSessionOf(request).userId, asked)
      const items = visible.map(({ userId, username, isHidden }) => ({
        userId,
        username,
        online: !isHidden && presence.isOnline(userId)
      }))
      return { items, next: null }
    }
  )
}
