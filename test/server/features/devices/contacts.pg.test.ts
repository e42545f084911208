import { sql } from 'drizzle-orm'
import t from 'tap'
import { startTarget } from '../../../support/bad-input.js'
import { expect } from '../../../support/interop/http.js'
import { startPostgres } from '../../../support/postgres.js'

/** More than half of the parameters that a statement of PostgreSQL takes. */
const CONTACTS = 33_000

const pg = await startPostgres(t)
if (pg !== undefined) {
  const target = await startTarget(t, { DATABASE_URL: await pg.newDatabase() })
  const { db } = target.services

  t.test('A user with tens of thousands of contacts changes devices, and all of them are told', async (t) => {
    const alice = await target.user('alice')
    await db.execute(sql`
      with contacts as (
        insert into users (id, username, password_hash, chain_sequence, chain_head, root)
        select gen_random_uuid(), 'contact.' || n, password_hash, chain_sequence, chain_head, root
        from users, generate_series(1, ${CONTACTS}::int) n where username = 'alice'
        returning id
      ), groups as (
        insert into conversations (id, kind, chain_sequence, chain_head, member_count, message_ttl, session_key_id)
        select gen_random_uuid(), 'group', 2, '-', 1001, 0, gen_random_uuid() from generate_series(1, 33)
        returning id
      ), places as (
        select u.id as user_id, g.id as conversation_id
        from (select id, row_number() over () % 33 as n from contacts) u
        join (select id, row_number() over () - 1 as n from groups) g on g.n = u.n
        union all select ${alice.userId}::uuid, id from groups
      )
      insert into memberships (conversation_id, user_id, joined_at, place, role, root,
        state_sequence, state_head, state_root)
      select p.conversation_id, p.user_id, 1, 0, 'member', u.root, u.chain_sequence, u.chain_head, u.root
      from places p, users u where u.username = 'alice'`)
    const phone = await target.device('alice', { password: alice.password })
    expect(await phone.login(false), 200)
    expect(await phone.addDevice(alice.keys), 201)
    expect(await alice.revoke(phone.deviceId), 200)
    const { rows } = (await db.execute(sql`
      select count(*)::int as told from events e join event_recipients r on r.position = e.position
      where e.type = 'device.chain' group by e.position`)) as { rows: { told: number }[] }
    t.strictSame(
      rows.map(({ told }) => told),
      [CONTACTS + 1, CONTACTS + 1]
    )
    t.strictSame(target.log, [], 'and nothing of it is in the log')
  })
}
