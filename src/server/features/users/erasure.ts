import Type from 'typebox'
import { Erasure } from '../../../protocol/own-account.js'
import { parseStatement } from '../../../protocol/parse-statement.js'
import { ref, type SignedStatement } from '../../../protocol/schema.js'
import { sessionOf } from '../../access/auth.js'
import { lockOwnAccount, requireOtherAdmin } from '../../access/accounts.js'
import { eraseUser } from '../../access/erasure.js'
import { requireOwnPassword } from '../../access/try-password.js'
import type { ActiveSession } from '../../access/sessions.js'
import { verifySignatures } from '../../chains/public-keys.js'
import { changeChain, extended } from '../../chains/user-chain-changes.js'
import { readUser, type UserLink } from '../../chains/user-chain-store.js'
import type { UserRow } from '../../chains/users.js'
import type { Tx } from '../../db/database.js'
import type { App } from '../../http/app.js'
import { problemResponses } from '../../http/problem-responses.js'
import { Problem } from '../../http/problem.js'
import { appendEvents, transaction, type NewEvent } from '../../log/append-events.js'
import type { Services } from '../../services.js'

/** The erasure of the own account. */
export function erasureRoutes(
  app: App,
  services: Pick<Services, 'db' | 'erasedRows' | 'log' | 'logins' | 'passwords'>
): void {
  app.post(
    '/users/me/erasure',
    {
      config: { limit: 'auth' },
      schema: {
        operationId: 'eraseMe',
        tags: ['accounts'],
        summary: 'Erase the caller’s account',
        description:
          'All or nothing. The name, the chain and its public keys stay, so that others go on verifying; nobody gets ' +
          'the name again. Messages stay in conversations that others are in. Name another admin and leave groups ' +
          'before. A wrong password counts as a failed log-in.',
        body: ref(Erasure),
        response: {
          204: Type.Null({ description: 'The account is erased.' }),
          ...problemResponses(
            'invalid-statement',
            'invalid-signature',
            'wrong-password',
            'forbidden',
            'device-not-found',
            'stale-chain',
            'too-many-statements',
            'last-server-admin',
            'overloaded'
          )
        }
      }
    },
    async (request, reply) => {
      const session = sessionOf(request)
      const { password, statements, dryRun = false } = request.body
      const user = await requireOwnPassword(services, request, reply, session.username, password)
      await transaction(services, (tx) => erase(tx, session, user.passwordHash, { statements, dryRun }))
      if (!dryRun) services.erasedRows.soon()
      return reply.status(204).send(null)
    }
  )
}

async function erase(
  tx: Tx,
  session: ActiveSession,
  passwordHash: string | null,
  { statements, dryRun }: { statements: readonly SignedStatement[]; dryRun: boolean }
): Promise<void> {
  const { userId } = session
  await requireOtherAdmin(tx, userId)
  if (dryRun) return
  const user = await lockOwnAccount(tx, session)
  if (user.passwordHash !== passwordHash) throw new Problem('wrong-password')
  const revoked = await revokeAll(tx, user, statements)
  const erased = await eraseUser(tx, userId)
  await appendEvents(tx, [...revoked, ...erased])
}

/** Apply the revocations of all devices. @throws {Problem} `forbidden` if one is left */
async function revokeAll(
  tx: Tx,
  account: UserRow,
  statements: readonly SignedStatement[]
): Promise<NewEvent[]> {
  const user = await readUser(tx, account)
  const links: UserLink[] = []
  let { chain } = user
  for (const signed of statements) {
    const link = { statement: parseStatement(signed.text, ['device-revoke']), signed }
    chain = await extended(tx, user, chain, link, verifySignatures(signed, user.keys))
    links.push(link)
  }
  const { size } = chain.devices
  if (size > 0)
    throw new Problem('forbidden', `Revoke all devices with \`statements\`: ${size} would be left.`)
  return links.length === 0 ? [] : changeChain(tx, user, chain, links)
}
