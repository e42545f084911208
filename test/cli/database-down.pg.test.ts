import t from 'tap'
import { machine } from '../support/cli-process.js'
import { startPostgres } from '../support/postgres.js'
import { startServer } from '../support/server-process.js'

const postgres = process.env['TEST_DATABASE_URL'] === undefined ? await startPostgres(t) : undefined
if (postgres === undefined) t.pass('needs a PostgreSQL of its own to stop')
else {
  const server = await startServer(t, { databaseUrl: postgres.url })
  const home = await machine(t, server.url)
  await home.register('alice', 'bob')

  t.test('Without its database, "send" ends with 3, and messages arrive when it is back', async (t) => {
    await home.ok('alice', ['send', 'bob', 'before'])
    const listening = home.start('bob', ['listen'])
    await listening.shows('before')
    await postgres.stop()
    const { code, err } = await home.run('alice', ['send', 'bob', 'meanwhile'])
    t.equal(code, 3, err)
    t.match(err, /cannot work now\. Try again later/)
    const [, id] = /--id ([0-9a-f-]{36})$/m.exec(err)!
    await postgres.restart()
    await home.ok('alice', ['send', 'bob', 'meanwhile', '--id', id!])
    await listening.shows('meanwhile')
    t.equal((await listening.interrupted()).code, 0)
    t.equal(listening.out.match(/meanwhile/g)!.length, 1)
  })
}
