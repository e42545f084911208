import { inArray, sql } from 'drizzle-orm'
import t from 'tap'
import { events } from '../../../src/server/db/schema.js'
import { areHeldUp, LockHolder } from '../../support/database-locks.js'
import { expect } from '../../support/interop/http.js'
import { anotherSession, conversation, user } from '../../support/people.js'
import { startPostgres } from '../../support/postgres.js'
import { startChat } from '../../support/start-chat.js'

interface Receipts {
  items: { status: number; receipt: { position: number } }[]
}

const pg = await startPostgres(t)
if (pg !== undefined) {
  const env = { DATABASE_URL: pg.url }
  const [here, there] = [await startChat(t, env), await startChat(t, env)]
  const { db } = here.services

  t.test(
    'A batch is stored as a whole although another process stores one of its messages first',
    async (t) => {
      const alice = await user(t, here, 'alice')
      const away = await anotherSession(t, alice, there.url)
      const id = await conversation(alice, [])
      const twice = alice.seal(id, 'twice')
      const others = [1, 2, 3].map((n) => alice.seal(id, `once ${n}`))
      const holder = await LockHolder.connect(t, pg.url)
      await holder.client.query('begin')
      await holder.client.query('select from log_head for update')
      const first = alice.post(id, twice)
      await areHeldUp(db, 1)
      const messages = [twice, ...others]
      const second = away.raw<Receipts>('POST', `/v1/conversations/${id}/messages/batch`, {
        body: { messages }
      })
      await areHeldUp(db, 2)
      await holder.client.query('commit')
      const { position } = expect(await first, 201).body
      const { items } = expect(await second, 200).body
      t.strictSame(
        items.map(({ status, receipt }) => [status, receipt.position]),
        [200, 201, 201, 201].map((status, n) => [status, position + n])
      )
      const ids = others.map((message) => message.id)
      const stored = await db
        .selectDistinct({ transaction: sql<string>`xmin::text` })
        .from(events)
        .where(inArray(events.messageId, ids))
      t.equal(stored.length, 1, 'in one transaction')
    }
  )
}
