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

  t.test('An account whose rows cannot be erased for now does not hold up those of others', async (t) => {
    const url = await postgres.newDatabase()
    const there = await startServer(t, { databaseUrl: url, env: { DATABASE_STATEMENT_TIMEOUT: '2' } })
    await user(t, there, 'admin-of-all')
    const [first, second] = [await user(t, there, 'first'), await user(t, there, 'second')]
    const [stuck, free] = [await conversation(first, []), await conversation(second, [])]
    expect(await first.send(stuck, { type: 'text', text: 'for me' }), 201)
    const { client } = await LockHolder.connect(t, url)
    await client.query('begin')
    await client.query(`select from events where conversation_id = '${stuck}' for update`)
    expect(await erase(first), 204)
    expect(await erase(second), 204)
    const isGone = async (id: string) =>
      (await client.query(`select from conversations where id = '${id}'`)).rowCount === 0
    await eventually(() => isGone(free), 'the second one is erased')
    t.notOk(await isGone(stuck))
    await client.query('commit')
  })
}
