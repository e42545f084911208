import t from 'tap'
import { LockHolder } from '../../../support/database-locks.js'
import { erase } from '../../../support/erasure.js'
import { eventually } from '../../../support/eventually.js'
import { expect } from '../../../support/interop/http.js'
import { conversation, user } from '../../../support/people.js'
import { startPostgres } from '../../../support/postgres.js'
import { startServer } from '../../../support/server-process.js'

const postgres = await startPostgres(t)
if (postgres !== undefined) {
  const databaseUrl = await postgres.newDatabase()
  const chat = await startServer(t, { databaseUrl })

  t.test('An erasure holds up neither admins nor chains, however long its conversations take', async (t) => {
    const [admin, alice, bob] = [
      await user(t, chat, 'admin-of-all'),
      await user(t, chat, 'alice'),
      await user(t, chat, 'bob')
    ]
    const id = await conversation(alice, [])
    expect(await alice.send(id, { type: 'text', text: 'for me' }), 201)
    const { client } = await LockHolder.connect(t, databaseUrl)
    await client.query(`update users set role = 'admin' where id = '${admin.userId}'`)
    await client.query('begin')
    await client.query(`select from events where conversation_id = '${id}' for update`)
    await client.query(`select from users where id = '${admin.userId}' for share`)
    expect(await erase(alice), 204)
    expect(await bob.rekey(), 200)
    expect((await bob.createConversation('group', ['admin-of-all'])).answer, 201)
    t.equal((await client.query(`select from conversations where id = '${id}'`)).rowCount, 1)
    await client.query('commit')
    await eventually(
      async () => (await client.query(`select from conversations where id = '${id}'`)).rowCount === 0
    )
  })
}
