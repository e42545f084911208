import { eq, sql } from 'drizzle-orm'
import t from 'tap'
import { devices } from '../../../../src/server/db/schema.js'
import { sweep } from '../../../../src/server/db/sweep.js'
import { startTarget } from '../../../support/bad-input.js'
import { LockHolder } from '../../../support/database-locks.js'
import { startPostgres } from '../../../support/postgres.js'
import { cosigned } from '../../../support/interop/chains.js'
import { expect, problem, type Page } from '../../../support/interop/http.js'

const pg = await startPostgres(t)
if (pg !== undefined) {
  const url = await pg.newDatabase()
  const target = await startTarget(t, { DATABASE_URL: url })

  t.test(
    'A device that is approved and turned down at the same moment ends as one or the other',
    async (t) => {
      const alice = await target.user('alice')
      const live = await alice.live()
      const seen = new Set<string>()
      for (let round = 0; round < 12; round++) {
        const device = await target.device('alice', { password: alice.password })
        expect(await device.login(false), 200)
        expect(await device.addDevice(), 202)
        const { deviceId } = device
        const { data } = await live.waitFor(
          ({ event, data }) => event === 'device.requested' && data['deviceId'] === deviceId
        )
        const statement = cosigned(data['statement'] as Parameters<typeof cosigned>[0], alice.keys)
        const approve = () => alice.raw('POST', `/v1/devices/${deviceId}/approval`, { body: { statement } })
        const reject = () => alice.raw('DELETE', `/v1/devices/${deviceId}`)
        const [approved, rejected] =
          round % 2 === 0
            ? await Promise.all([approve(), reject()])
            : (await Promise.all([reject(), approve()])).reverse()
        const outcome = [approved!, rejected!].map((answer) => `${answer.status} ${problem(answer)}`.trim())
        t.ok(
          ['200,409 device-not-pending', '404 device-not-found,204'].includes(outcome.join()),
          outcome.join()
        )
        seen.add(outcome.join())
        const { items } = expect(
          await alice.raw<Page<{ id: string; status: string }>>('GET', '/v1/devices'),
          200
        ).body
        const status = items.find(({ id }) => id === deviceId)?.status
        t.equal(status, approved!.status === 200 ? 'active' : undefined)
        t.equal((await device.raw('GET', '/v1/users/me')).status, status === 'active' ? 200 : 401)
        if (status === 'active') expect(await alice.revoke(deviceId), 200)
      }
      t.comment([...seen].join('; '))
    }
  )

  for (const [way, said] of [
    ['approved', 200],
    ['added with an approval', 201]
  ] as const)
    t.test(`A device that is ${way} while the sweeper finds that it has waited too long stays`, async (t) => {
      const { db } = target.services
      const owner = await target.user(`owner${said}`)
      const live = await owner.live()
      const device = await target.device(owner.username, { password: owner.password })
      expect(await device.login(false), 200)
      expect(await device.addDevice(), 202)
      const { data } = await live.waitFor(({ event }) => event === 'device.requested')
      const old = { createdAt: sql`now() - interval '8 days'` }
      await db.update(devices).set(old).where(eq(devices.id, device.deviceId))
      const holder = await LockHolder.connect(t, url)
      await holder.client.query('begin')
      // It is read after the devices, and before they are changed.
      await holder.client.query('lock table user_statements in access exclusive mode')
      const statement = cosigned(data['statement'] as Parameters<typeof cosigned>[0], owner.keys)
      const { deviceId: id, keys } = device
      const { signingKey, encryptionKey, kemKey } = keys
      const material = { id, name: 'phone', signingKey, encryptionKey, kemKey, statement }
      const answer =
        said === 200
          ? owner.raw('POST', `/v1/devices/${id}/approval`, { body: { statement } })
          : device.raw('POST', '/v1/devices', { body: material })
      await holder.holdsUp('user_statements')
      await sweep(db)
      await holder.client.query('commit')
      expect(await answer, said)
      expect(await device.refresh(), 200)
    })
}
