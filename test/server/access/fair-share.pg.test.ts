import t from 'tap'
import { LockHolder } from '../../support/database-locks.js'
import type { InteropClient } from '../../support/interop/client.js'
import { expect } from '../../support/interop/http.js'
import { user } from '../../support/people.js'
import { startPostgres } from '../../support/postgres.js'
import { startChat } from '../../support/start-chat.js'

const pg = await startPostgres(t)
if (pg !== undefined) {
  t.test(
    'The calls of a user run side by side until they have taken some time, and then one by one',
    async (t) => {
      const chat = await startChat(t, { DATABASE_URL: pg.url, RATE_LIMIT: 'on', RATE_LIMIT_SHARE: '5' })
      const [alice, bob] = await Promise.all([user(t, chat, 'alice'), user(t, chat, 'bob')])
      const holder = await LockHolder.connect(t, pg.url)
      const list = (by: InteropClient) => by.raw('GET', '/v1/conversations')
      const profile = (by: InteropClient) => by.raw('GET', '/v1/users/me')
      /** Hold up a list. @returns what ends it */
      const held = async (by: InteropClient): Promise<() => Promise<void>> => {
        await holder.client.query('begin; lock table conversations')
        const answer = list(by)
        await holder.holdsUp('memberships')
        return async () => {
          await holder.client.query('rollback')
          expect(await answer, 200)
        }
      }

      const release = await held(bob)
      expect(await profile(bob), 200)
      t.pass('a second call runs while the first one is under way')
      await release()

      const spend = await held(alice)
      await new Promise((resolve) => setTimeout(resolve, 60))
      await spend()
      const releaseAgain = await held(alice)
      let isAnswered = false
      const second = profile(alice).finally(() => (isAnswered = true))
      for (let n = 0; n < 3; n++) expect(await bob.raw('GET', '/v1/server'), 200)
      t.notOk(isAnswered, 'the second call waits')
      await releaseAgain()
      expect(await second, 200)
    }
  )
}
