import Type from 'typebox'
import { Profile, UserChainQuery, UserPage } from '../../../protocol/accounts.js'
import { OwnUserResponse } from '../../../protocol/contacts.js'
import { USERNAME } from '../../../protocol/ids.js'
import { PageQuery, UsernameInput, record, ref } from '../../../protocol/schema.js'
import { sessionOf } from '../../access/auth.js'
import { publicDevice } from '../../chains/device-store.js'
import { readUserStatements } from '../../chains/user-chain-store.js'
import { findUser, ownAccount, requireUser, usersByPrefix, userView } from '../../chains/users.js'
import type { App } from '../../http/app.js'
import { pageOf } from '../../http/page.js'
import { problemResponses } from '../../http/problem-responses.js'
import { Problem } from '../../http/problem.js'
import type { Services } from '../../services.js'
import { activeDevices, keysOf, signingKeys } from './queries.js'

/** The caller's account, the profiles of other users, and the search for them. */
export function userRoutes(app: App, { db }: Pick<Services, 'db'>): void {
  app.get(
    '/users/me',
    {
      schema: {
        operationId: 'getMe',
        tags: ['accounts'],
        summary: 'The caller’s own account',
        response: { 200: ref(OwnUserResponse) }
      }
    },
    async (request) => {
      const user = await findUser(db, sessionOf(request).username)
      if (user === null) throw new Problem('session-ended')
      return ownAccount(user)
    }
  )

  app.get(
    '/users/:username',
    {
      schema: {
        operationId: 'getUser',
        tags: ['accounts'],
        summary: 'A user’s public profile: root, active devices and signed chain',
        description:
          'The chain comes in pages: send `next` of a page as `after` for the following one. Root, devices and ' +
          'head are those of the same moment as the page.',
        params: record({ username: UsernameInput }),
        querystring: UserChainQuery,
        response: { 200: ref(Profile), ...problemResponses('user-not-found') }
      }
    },
    (request) =>
      // One snapshot, so that chain, root and devices agree.
      db.transaction(
        async (tx) => {
          const user = await requireUser(tx, request.params.username)
          const { after, limit } = request.query
          const { items, next } = await readUserStatements(tx, user.id, after, limit)
          return {
            user: userView(user),
            erased: user.erasedAt !== null,
            root: user.root,
            devices: (await activeDevices(tx, user.id)).map(publicDevice),
            chain: { head: user.chainHead, items, keys: keysOf(items, await signingKeys(tx, items)), next }
          }
        },
        { isolationLevel: 'repeatable read', accessMode: 'read only' }
      )
  )

  app.get(
    '/users',
    {
      schema: {
        operationId: 'findUsers',
        tags: ['accounts'],
        summary: 'Find users by a prefix of their names',
        querystring: record({
          prefix: Type.String({
            pattern: '^[A-Za-z][A-Za-z0-9_.-]{2,31}$',
            description: 'At least 3 characters.',
            examples: ['ali']
          }),
          ...PageQuery
        }),
        response: { 200: ref(UserPage), ...problemResponses('invalid-cursor') }
      }
    },
    async (request) => {
      const { prefix, limit, cursor = '' } = request.query
      if (cursor !== '' && !new RegExp(`^${USERNAME}$`).test(cursor)) throw new Problem('invalid-cursor')
      const place = { after: cursor, limit: limit + 1, withErased: false }
      const found = await usersByPrefix(db, prefix, place)
      return pageOf(found, limit, userView, ({ username }) => username)
    }
  )
}
