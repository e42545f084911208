import { randomUUID } from 'node:crypto'
import pg from 'pg'
import t from 'tap'
import { fill } from '../../../bench/growth.js'
import { makeWorld } from '../../../bench/world.js'
import { KEEP_TO_INDEXES } from '../../../src/server/db/prepared.js'
import type { Database, PreparedStatement } from '../../../src/server/db/database.js'
import { readHistory } from '../../../src/server/features/messages/history.js'
import { readResumePoints } from '../../../src/server/log/resume-points.js'
import { readAll, readBounds, readVisible } from '../../../src/server/log/read.js'
import { SEND, sendValues } from '../../../src/server/log/store-messages.js'
import { startPostgres } from '../../support/postgres.js'

const FEW = 5000
const MANY = 250_000
/** How often PostgreSQL runs a statement before it may keep one plan for good. */
const UNTIL_KEPT = 6

interface Plan {
  'Node Type': string
  'Relation Name'?: string
  'Shared Hit Blocks': number
  'Shared Read Blocks': number
  Plans?: Plan[]
}

/** What the prepared statements do to the database, on one connection, as the server's. */
class Watched {
  readonly plans = new Map<string, Plan>()
  readonly #client: pg.Client
  constructor(client: pg.Client) {
    this.#client = client
  }

  readonly prepared: Database['prepared'] = async <Row>(
    { name, text }: PreparedStatement,
    values: unknown[]
  ) => {
    const { rows } = await this.#client.query<Row & pg.QueryResultRow>({ name, text, values })
    const list = values.map((value) => (typeof value === 'number' ? value : `'${String(value)}'`)).join(', ')
    const { rows: explained } = await this.#client.query<{ 'QUERY PLAN': { Plan: Plan }[] }>(
      `explain (analyze, buffers, format json) execute "${name}"${list === '' ? '' : `(${list})`}`
    )
    this.plans.set(name, explained[0]!['QUERY PLAN'][0]!.Plan)
    return rows
  }
}

const blocks = (plan: Plan) => plan['Shared Hit Blocks'] + plan['Shared Read Blocks']

function scanned(plan: Plan): string[] {
  const here = plan['Node Type'] === 'Seq Scan' ? [plan['Relation Name']!] : []
  return [...here, ...(plan.Plans ?? []).flatMap(scanned)]
}

const postgres = await startPostgres(t)
if (postgres !== undefined)
  t.test(
    'Each prepared statement reads as much of a log that has grown as it read of a small one',
    async (t) => {
      const url = await postgres.newDatabase()
      const both = [0, 1]
      const world = await makeWorld({ DATABASE_URL: url, RATE_LIMIT: 'off' }, 2, [both, both, both])
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      t.teardown(() => client.end())
      await client.query(KEEP_TO_INDEXES)
      const watched = new Watched(client)
      const { rows } = await client.query<{ id: string; user_id: string; session_id: string }>(
        'select d.id, d.user_id, s.id as session_id from devices d join sessions s on s.device_id = d.id limit 1'
      )
      const sender = rows[0]!
      const { id: conversationId, sessionKeyId, key } = world.conversations[0]!

      const run = async (): Promise<void> => {
        const { last } = await readBounds(watched.prepared)
        const from = Math.max(0, last - 1000)
        await readVisible(watched.prepared, sender.user_id, from, { events: 200, bytes: 262_144 })
        await readResumePoints(watched.prepared, [{ userId: sender.user_id, after: Math.max(0, last - 5) }])
        await readAll(watched.prepared, from, 500)
        await readHistory(watched.prepared, conversationId, sender.user_id, 'before', last + 1, 50)
        await readHistory(watched.prepared, conversationId, sender.user_id, 'after', from, 50)
        await watched.prepared(SEND, sendValues([message()]))
      }
      const message = () => ({
        ...{
          id: randomUUID(),
          conversationId,
          sessionKeyId,
          key,
          senderId: sender.user_id,
          senderDeviceId: sender.id,
          sessionId: sender.session_id
        },
        ...{ iv: 'AAAAAAAAAAAAAAAA', ciphertext: 'AAAA', signature: 'AAAA' }
      })
      const blocksRead = async (messages: number): Promise<Map<string, number>> => {
        await fill(url, world, messages)
        await run()
        return new Map([...watched.plans].map(([name, plan]) => [name, blocks(plan)]))
      }

      for (let i = 0; i < UNTIL_KEPT; i++) await run()
      const few = await blocksRead(FEW)
      const many = await blocksRead(MANY)
      t.equal(many.size, 7)
      for (const [name, read] of many) {
        // An index that has grown by a level is one block more for each look-up.
        t.ok(read <= few.get(name)! * 1.5 + 10, `${name}: ${few.get(name)} blocks, then ${read}`)
        t.notOk(scanned(watched.plans.get(name)!).includes('events'), `${name} scans no events`)
      }
    }
  )
