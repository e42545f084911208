import t, { type Test } from 'tap'
import { appendEvents, transaction } from '../../../src/server/log/append-events.js'
import { LockHolder } from '../../support/database-locks.js'
import { expect } from '../../support/interop/http.js'
import type { InteropClient } from '../../support/interop/client.js'
import { sessionId, user } from '../../support/people.js'
import { startPostgres } from '../../support/postgres.js'
import { startChat } from '../../support/start-chat.js'

/** A call that waits for a lock has no answer at all. */
const timeoutMs = 10_000

const pg = await startPostgres(t)
if (pg !== undefined) {
  const chat = await startChat(t, { DATABASE_URL: pg.url })
  const { services } = chat
  const me = (who: InteropClient) => who.raw('GET', '/v1/users/me', { timeoutMs })

  /**
   * Look up a user's session while something happens.
   *
   * @param meanwhile resolves when it has happened; the table of devices is locked
   * @returns the call, and the holder of a lock for which a second look-up would wait
   */
  async function lookUp(t: Test, who: InteropClient, meanwhile: (first: LockHolder) => Promise<unknown>) {
    const [first, second] = [await LockHolder.connect(t, pg!.url), await LockHolder.connect(t, pg!.url)]
    for (const { client } of [first, second]) await client.query('begin')
    await first.client.query('lock table devices')
    services.sessions.forget(sessionId(who))
    const call = me(who)
    await first.holdsUp('from unnest')
    await meanwhile(first)
    const isLocked = second.client.query('lock table devices')
    await second.isHeldUp()
    await first.client.query('commit')
    await isLocked
    return { call, second }
  }

  t.test('A session is looked up once, however others change meanwhile', async (t) => {
    const [alice, bob] = [await user(t, chat, 'alice'), await user(t, chat, 'bob')]
    let refreshed: Promise<unknown> | undefined
    const { call, second } = await lookUp(t, alice, async (first) => {
      refreshed = bob.refresh()
      await first.holdsUp('update "devices"')
    })
    expect(await call, 200)
    t.pass('it needs no second look-up')
    await second.client.query('commit')
    await refreshed
  })

  const changes: Record<string, (who: InteropClient) => Promise<unknown>> = {
    'it ends or is refreshed': (who) => Promise.resolve(services.sessions.forget(sessionId(who))),
    'a device of its user changes': ({ userId }) =>
      transaction(services, (tx) =>
        appendEvents(tx, [{ type: 'device.chain', data: { userId }, to: { users: [userId] } }])
      )
  }
  for (const [n, [what, change]] of Object.entries(changes).entries())
    t.test(`A session is looked up again if meanwhile ${what}`, async (t) => {
      const carol = await user(t, chat, `carol${n}`)
      const { call, second } = await lookUp(t, carol, () => change(carol))
      await second.holdsUp('from unnest')
      await second.client.query('commit')
      t.equal((await call).status, 200)
    })
}
