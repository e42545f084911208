import { Readable } from 'node:stream'
import { ExportLine } from '../../../protocol/own-account.js'
import { schemaName } from '../../../protocol/schema.js'
import { lockOwnAccount } from '../../access/accounts.js'
import { record, userActor } from '../../access/audit.js'
import { deviceSessionOf } from '../../access/auth.js'
import { spendInTransaction } from '../../access/daily-budget.js'
import type { ActiveSession } from '../../access/sessions.js'
import type { App } from '../../http/app.js'
import { problemResponses } from '../../http/problem-responses.js'
import { Problem } from '../../http/problem.js'
import { readBounds, readVisible } from '../../log/read.js'
import type { Services } from '../../services.js'
import { sectionPages } from './export-pages.js'
import { SECTIONS } from './export-tables.js'

type Parts = Pick<Services, 'attempts' | 'database' | 'db' | 'sessions'>

const TYPE = 'application/x-ndjson'
/** Bounds of a page of events. */
const EVENTS = { events: 200, bytes: 2 ** 19 }

/** All that the server holds on the caller. */
export function exportRoutes(app: App, services: Parts): void {
  const { attempts } = services
  const exports = attempts.of('exports')

  app.get(
    '/users/me/export',
    {
      schema: {
        operationId: 'exportMe',
        tags: ['accounts'],
        summary: 'All that the server holds on the caller',
        description:
          'One JSON object on each line. `kind` says what it is; the last line has the kind `end`, and without it the ' +
          'export is not complete. It has the events until it began. Messages and keys are encrypted, as ever. The hash of the password is left out.',
        response: {
          200: {
            description: 'The lines.',
            content: {
              [TYPE]: {
                schema: {
                  type: 'string',
                  contentMediaType: TYPE,
                  contentSchema: { $ref: schemaName(ExportLine) }
                }
              }
            }
          },
          ...problemResponses('device-required')
        }
      }
    },
    async (request, reply) => {
      const session = deviceSessionOf(request)
      const { userId } = session
      const act = { action: 'user.export', subject: userId }
      await spendInTransaction(
        (change) => services.db.transaction(change),
        async (tx, spend) => {
          spend({ counter: exports, userId, amount: 1, may: 'You may make', things: 'exports' })
          await lockOwnAccount(tx, session)
          await record(tx, userActor(session, request), act)
        }
      )
      void reply.header('cache-control', 'no-store')
      // Nothing is read before the client has taken what was read before it.
      const lines = Readable.from(chunks(services, session), { objectMode: false, highWaterMark: 2 ** 16 })
      return reply.type(TYPE).send(lines as unknown as string)
    }
  )
}

/** Pages of lines. It ends without the last line if the session ends meanwhile. */
async function* chunks(services: Parts, session: ActiveSession): AsyncGenerator<string> {
  for await (const lines of pages(services, session.userId)) {
    if ((await services.sessions.find(session.id)) === null) throw new Problem('session-ended')
    if (lines.length > 0) yield lines.map((line) => `${line}\n`).join('')
  }
  yield '{"kind":"end"}\n'
}

async function* pages({ db, database }: Parts, userId: string): AsyncGenerator<string[]> {
  // Later events may come faster than the client reads.
  const { last } = await readBounds(database.prepared)
  for (const section of SECTIONS) yield* sectionPages(db, section, userId)
  for (let position = 0; position < last;) {
    const page = await readVisible(database.prepared, userId, position, EVENTS)
    yield page.entries.map((entry) => `{"kind":"event","event":"${entry.type}","data":${entry.json()}}`)
    position = page.through
  }
}
