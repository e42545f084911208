import {
  MAX_CHAIN_USERS,
  UserChainHead,
  UserChainPage,
  UserChainsRequest,
  UserStatements
} from '../../../protocol/accounts.js'
import { PageQuery, UsernameInput, record, ref } from '../../../protocol/schema.js'
import type { App } from '../../http/app.js'
import { problemResponses } from '../../http/problem-responses.js'
import type { Services } from '../../services.js'
import { sessionOf } from '../../access/auth.js'
import { readChains } from './chain-pages.js'
import { continueChain } from './restore.js'

/** Names that cost as much as one request. */
const NAMES_PER_REQUEST = 20
/** A statement with its keys has up to 4 KiB, and at most 100 come at once. */
export const STATEMENTS_BODY_LIMIT = 512 * 1024

/** The chains of many users at once, and chains that come back to a server that has lost their ends. */
export function userChainRoutes(app: App, services: Pick<Services, 'config' | 'db' | 'log'>): void {
  app.post(
    '/users/chains',
    {
      config: { limit: 'read' },
      schema: {
        operationId: 'getUserChains',
        tags: ['accounts'],
        summary: 'The new statements of several users’ chains',
        description:
          `At most ${MAX_CHAIN_USERS} users; ${NAMES_PER_REQUEST} of them count as one request. For the next page ` +
          'send the same body with `cursor`.',
        querystring: record({ cursor: PageQuery.cursor }),
        body: ref(UserChainsRequest),
        response: { 200: ref(UserChainPage), ...problemResponses('invalid-cursor') }
      }
    },
    (request, reply) => {
      const { users } = request.body
      app.spend(request, reply, 'read', Math.ceil(users.length / NAMES_PER_REQUEST) - 1)
      return readChains(services.db, users, request.query.cursor)
    }
  )

  app.post(
    '/users/:username/chain',
    {
      bodyLimit: STATEMENTS_BODY_LIMIT,
      schema: {
        operationId: 'continueUserChain',
        tags: ['accounts'],
        summary: 'Continue a user’s chain with signed statements',
        description:
          'For a server that was restored from an old backup: whoever has the statements that follow sends them. ' +
          'All of them are taken (201) or none. Those that are in the chain already are skipped; 200 if all are.',
        params: record({ username: UsernameInput }),
        body: ref(UserStatements),
        response: {
          200: ref(UserChainHead),
          201: ref(UserChainHead),
          ...problemResponses(
            'invalid-statement',
            'invalid-signature',
            'invalid-key',
            'user-not-found',
            'device-not-found',
            'stale-chain',
            'forbidden',
            'id-conflict',
            'key-in-use',
            'too-many-devices',
            'too-many-statements'
          )
        }
      }
    },
    async (request, reply) => {
      const username = request.params.username.toLowerCase()
      const { chain, grown } = await continueChain(services, sessionOf(request), username, request.body)
      const { head, sequence } = chain
      return reply.status(grown ? 201 : 200).send({ head, sequence })
    }
  )
}
